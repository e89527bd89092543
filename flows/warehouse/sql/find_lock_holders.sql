-- Sessions that hold more than a reader's lock on a table of the schema, or this service's own lock.
SELECT DISTINCT pid, usename, application_name, date_trunc('second', xact_start)::text
FROM pg_locks
JOIN pg_stat_activity USING (pid)
LEFT JOIN pg_class ON pg_class.oid = relation
WHERE
    granted
    AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (
        locktype = 'advisory' AND classid = :class
        OR relkind = 'r'
        AND mode <> 'AccessShareLock'
        AND relnamespace::regnamespace::text = quote_ident(:schema)
    )
ORDER BY pid
