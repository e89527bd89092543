-- The URLs of each extract by their places, as the metadata of its events hold them.
-- $events: the extracts' files of events; $first: the number of the first one.
CREATE OR REPLACE TEMP TABLE listed_urls AS
WITH files AS (
    SELECT unnest($events) AS file_name, ($first + generate_subscripts($events, 1) - 1)::INTEGER AS file
),
lists AS (
    SELECT file, string_split(decode(value), chr(0)) AS list
    FROM parquet_kv_metadata($events)
    JOIN files USING (file_name)
    WHERE decode(key) = 'urls' AND octet_length(value) > 0
)
SELECT file, generate_subscripts(list, 1)::INTEGER - 1 AS place, unnest(list) AS url
FROM lists;
