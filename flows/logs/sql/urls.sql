-- All URLs, numbered in the order of code points. $urls: the extracts' files of URLs.
CREATE TEMP TABLE urls AS
SELECT row_number() OVER (ORDER BY url)::INTEGER AS number, url
FROM (SELECT DISTINCT url FROM read_parquet($urls));
