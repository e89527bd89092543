-- Settings of one transaction: statements mean the same whatever the role, the database, the server and the URL set.
-- In other isolation levels, a run that has waited for another one would not see what that one has published.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
-- Counting and publishing are one transaction. While a range of users is counted, it is idle.
SELECT pg_catalog.set_config(name, '0', true)
FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout');
SELECT
    pg_catalog.set_config('TimeZone', 'UTC', true),
    pg_catalog.set_config('DateStyle', 'ISO', true),
    -- Otherwise, the types of columns are shown in quotes.
    pg_catalog.set_config('quote_all_identifiers', 'off', true),
    pg_catalog.set_config('lock_timeout', :lock_timeout, true),
    -- Rows that a policy hides are an error.
    pg_catalog.set_config('row_security', 'off', true),
    -- If the worker's machine vanishes, its locks are released soon.
    pg_catalog.set_config('tcp_keepalives_idle', '60', true)
