-- What is added to the table's rows, or makes new ones; url is a number of `urls`.
SELECT user_id, url, count, last_viewed
FROM new_views
ORDER BY user_id, url;
