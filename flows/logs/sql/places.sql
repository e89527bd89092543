-- Which URL an event of an extract points to.
INSERT INTO places
SELECT file, place, number
FROM listed_urls
JOIN urls USING (url);
