-- Which URL an event of an extract points to. $urls: the extracts' files of URLs.
CREATE TEMP TABLE places AS
SELECT file, place, number AS url
FROM (
    SELECT file_index::INTEGER AS file, file_row_number::INTEGER AS place, url
    FROM read_parquet($urls, file_row_number = true)
)
JOIN urls USING (url);
