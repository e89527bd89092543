-- The first 1,000 rejected records of each object, with the first 1,000 characters of each.
-- $keys: the objects' keys in their order. PostgreSQL cannot store U+0000.
CREATE OR REPLACE TABLE first_rejects AS
SELECT
    $keys[object + 1] AS object_key,
    line_number,
    verdict AS reason,
    replace(substring(line, 1, 1000), chr(0), chr(65533)) AS line
FROM judged
WHERE NOT is_valid(verdict)
QUALIFY row_number() OVER (PARTITION BY object ORDER BY line_number) <= 1000
ORDER BY object_key, line_number;
