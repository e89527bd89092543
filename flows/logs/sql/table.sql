-- The table's rows.
SELECT user_id, email, urls.url, count, last_viewed
FROM counts
JOIN urls ON urls.number = counts.url
LEFT JOIN emails USING (user_id)
ORDER BY user_id, counts.url;
