-- The users of about one event in $step, in order.
SELECT user_id
FROM read_parquet(getvariable('page_view_files'), hive_partitioning = false, file_row_number = true)
WHERE hash(file_index, file_row_number) % $step::UBIGINT = 0
ORDER BY user_id;
