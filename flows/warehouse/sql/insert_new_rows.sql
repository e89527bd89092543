INSERT INTO {target} (user_id, email, url, count, last_viewed)
SELECT new.user_id, nullif(latest.email, ''), new.url, new.count, new.last_viewed
FROM {staging} AS new
LEFT JOIN {latest_updates} AS latest USING (user_id)
ON CONFLICT (user_id, url) DO NOTHING
