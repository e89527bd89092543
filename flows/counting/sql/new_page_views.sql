-- What added objects bring to each user and URL: page views that no known object contains.
-- $files: events of page views; the table `wanted` says which of their objects are added or known.
CREATE OR REPLACE TABLE new_page_views AS
WITH views AS (
    SELECT is_added, user_id, url, instant
    FROM read_parquet($files, hive_partitioning = false)
    JOIN wanted USING (file_index, object)
),
new_views AS (
    SELECT user_id, url, instant FROM views WHERE is_added
    EXCEPT
    SELECT user_id, url, instant FROM views WHERE NOT is_added
)
SELECT user_id, url, count(*) AS count, max(instant) AS last_viewed
FROM new_views
GROUP BY user_id, url
ORDER BY user_id, url;
