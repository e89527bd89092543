-- The latest update of each user from $first to $last: the greatest by (instant, email, name). Text compares
-- by its UTF-8 bytes, which is the order of Unicode code points. `updates` is the number of the user's distinct
-- updates.
WITH updates AS (
    SELECT DISTINCT user_id, instant, email, name
    FROM read_parquet(getvariable('user_update_files'), hive_partitioning = false)
    ANTI JOIN unwanted_user_updates USING (file_index, object)
    WHERE user_id BETWEEN $first AND $last
)
SELECT user_id, unnest(max({instant: instant, email: email, name: name})), count(*) AS updates
FROM updates
GROUP BY user_id
