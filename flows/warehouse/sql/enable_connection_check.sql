-- From PostgreSQL 14: the server notices during a statement that the client is gone, and ends its
-- transaction with all its locks.
SELECT set_config(name, '2s', true)
FROM pg_settings
WHERE name = 'client_connection_check_interval' AND version() LIKE '%linux%'
