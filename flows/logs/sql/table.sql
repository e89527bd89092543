-- The table's rows; url is a number of `urls`. Sorted by user_id and url, for so they were counted.
SELECT user_id, url, count, last_viewed
FROM counts;
