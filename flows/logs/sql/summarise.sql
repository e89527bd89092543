-- The grain is (user_id, url). `page_views` and `user_updates` hold distinct records.
CREATE TEMP TABLE summary AS
WITH emails AS (
    -- Text compares by its UTF-8 bytes, which is the order of code points.
    SELECT user_id, nullif(arg_max(email, (instant, email, name)), '') AS email
    FROM user_updates
    GROUP BY user_id
),
counts AS (
    SELECT user_id, url, count(*) AS count, max(instant) AS last_viewed
    FROM page_views
    GROUP BY user_id, url
)
SELECT user_id, email, url, count, last_viewed
FROM counts
LEFT JOIN emails USING (user_id);
