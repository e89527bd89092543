-- The rejected records of the objects that count; `wanted_rejects` names them for each file.
CREATE OR REPLACE TABLE rejects AS
SELECT object_key, line_number, reason, line
FROM read_parquet($files, hive_partitioning = false)
SEMI JOIN wanted_rejects USING (file_index, object_key)
ORDER BY object_key, line_number;
