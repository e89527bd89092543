-- Which URL an event of an extract points to.
CREATE TEMP TABLE places AS
SELECT file, place, number AS url
FROM listed_urls
JOIN urls USING (url);
