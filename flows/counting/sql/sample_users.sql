-- The users of about one event in $step, in order; $files names the variable with the files.
SELECT user_id
FROM read_parquet(getvariable($files), hive_partitioning = false, file_row_number = true)
WHERE hash(file_index, file_row_number) % $step::UBIGINT = 0
ORDER BY user_id;
