-- The columns of a table: the table's oid, name and number. A table or column that is created again gets another one.
SELECT attrelid::bigint, attname, attnum
FROM pg_attribute
WHERE attrelid = to_regclass(pg_catalog.format('%I.%I', :schema ::text, :table ::text)) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
