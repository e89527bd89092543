-- What is kept of each user for the next run: the latest update.
SELECT user_id, latest.instant, latest.email, latest.name
FROM emails
ORDER BY user_id;
