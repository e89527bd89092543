-- For each day on which added objects have events: the first and the last instant, in microseconds.
SELECT epoch_us(min(instant)), epoch_us(max(instant))
FROM read_parquet($files, hive_partitioning = false)
JOIN wanted USING (file_index, object)
WHERE is_added
GROUP BY instant::DATE;
