-- Which URL an event of an extract points to; and the extract's time that it shares with no other.
CREATE TEMP TABLE places AS
SELECT
    file,
    place,
    number AS url,
    make_timestamp(after_us) AS after_time,
    make_timestamp(before_us) AS before_time
FROM (
    SELECT file_index::INTEGER AS file, file_row_number::INTEGER AS place, url
    FROM read_parquet($urls, file_row_number = true)
)
JOIN urls USING (url)
JOIN spans USING (file);
