-- All URLs, numbered in the order of code points.
CREATE TEMP TABLE urls AS
SELECT row_number() OVER (ORDER BY url)::INTEGER AS number, url
FROM (SELECT DISTINCT url FROM found_urls);
