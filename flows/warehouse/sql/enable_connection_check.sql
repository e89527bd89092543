-- From PostgreSQL 14: the server notices during a statement that the client is gone, and ends its
-- transaction with all its locks.
SELECT pg_catalog.set_config(name, '2s', true)
FROM pg_catalog.pg_settings
WHERE name = 'client_connection_check_interval' AND pg_catalog.version() LIKE '%linux%'
