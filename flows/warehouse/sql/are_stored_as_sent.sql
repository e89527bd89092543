-- Whether no trigger can have changed the rows that this transaction has written. A trigger that sees a row before it is
-- stored, or that fires at the commit, may change rows unseen. Others must write them again: PostgreSQL counts these too.
WITH RECURSIVE ours AS (
    SELECT oid, relname
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(:schema)) AND relname = ANY (:tables ::name [])
    UNION
    SELECT inhrelid, relname FROM ours JOIN pg_inherits ON inhparent = oid
),
written AS (
    SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
        + pg_stat_get_xact_tuples_deleted(oid)) AS counted
    FROM ours
)
SELECT count(*) = 0 OR (
    NOT bool_or(tgtype & 3 = 3 OR tgdeferrable OR relname = 'pipeline_runs')
    AND current_setting('track_counts')::boolean
    AND (SELECT counted FROM written) = :sent
)
FROM ours JOIN pg_trigger ON tgrelid = ours.oid
WHERE NOT tgisinternal AND tgenabled <> 'D'
