-- PostgreSQL's own names mean PostgreSQL's; the functions of others' triggers still find theirs. Functions that take any
-- number of arguments must be qualified all the same: one of others with exactly these arguments would be preferred.
SELECT pg_catalog.set_config(
    'search_path',
    pg_catalog.rtrim(pg_catalog.concat('pg_catalog, pg_temp, ', pg_catalog.current_setting('search_path')), ', '),
    true
)
