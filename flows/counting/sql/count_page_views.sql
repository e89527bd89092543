-- The rows of user_page_views for the users from $first to $last. Page views are distinct by user, URL
-- and instant; all of them are of one environment.
WITH views AS (
    SELECT DISTINCT user_id, url, instant
    FROM read_parquet(getvariable('page_view_files'), hive_partitioning = false)
    ANTI JOIN unwanted_page_views USING (file_index, object)
    WHERE user_id BETWEEN $first AND $last
),
counted AS (
    SELECT user_id, url, count(*) AS count, max(instant) AS last_viewed
    FROM views
    GROUP BY user_id, url
)
SELECT user_id, nullif(email, '') AS email, url, count, last_viewed
FROM counted
LEFT JOIN latest_updates USING (user_id)
ORDER BY user_id, url
