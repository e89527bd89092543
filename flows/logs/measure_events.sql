-- For each object: its number of distinct events, and the first and last instant in microseconds.
SELECT object, count(*), epoch_us(min(instant)), epoch_us(max(instant))
FROM read_parquet($events, hive_partitioning = false)
GROUP BY object;
