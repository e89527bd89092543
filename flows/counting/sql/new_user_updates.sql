-- Of each user the latest of those updates that added objects contain and no known object does, and the
-- number of these updates. $files and `wanted` as for page views.
CREATE OR REPLACE TABLE new_user_updates AS
WITH updates AS (
    SELECT is_added, user_id, instant, email, name
    FROM read_parquet($files, hive_partitioning = false)
    JOIN wanted USING (file_index, object)
),
new_updates AS (
    SELECT user_id, instant, email, name FROM updates WHERE is_added
    EXCEPT
    SELECT user_id, instant, email, name FROM updates WHERE NOT is_added
)
SELECT user_id, unnest(max({instant: instant, email: email, name: name})), count(*) AS updates
FROM new_updates
GROUP BY user_id
ORDER BY user_id;
