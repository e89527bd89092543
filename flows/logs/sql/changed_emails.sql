-- The emails that have changed; NULL: the user has none any more.
SELECT user_id, nullif(latest.email, '') AS email
FROM emails
WHERE changed
ORDER BY user_id;
