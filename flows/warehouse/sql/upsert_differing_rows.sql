INSERT INTO {target} ({columns})
SELECT {new_columns}
FROM {staging} AS new
LEFT JOIN {target} AS old ON {same_key}
WHERE {a_key} IS NULL OR ({old_values}) IS DISTINCT FROM ({new_values})
ON CONFLICT ({keys}) DO UPDATE SET {updates}
