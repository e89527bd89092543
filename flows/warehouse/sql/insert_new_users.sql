INSERT INTO {latest_updates} (user_id, instant, email, name)
SELECT user_id, instant, email, name FROM {staging}
ON CONFLICT (user_id) DO NOTHING
