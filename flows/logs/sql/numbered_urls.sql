-- All URLs and their numbers.
SELECT number, url
FROM urls
ORDER BY number;
