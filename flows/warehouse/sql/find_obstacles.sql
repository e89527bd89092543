-- What would keep a table from containing exactly the rows that are written to it, each with its remedy.
WITH ours AS (
    SELECT oid, relkind
    FROM pg_class
    WHERE oid = to_regclass(pg_catalog.format('%I.%I', :schema ::text, :table ::text))
)
SELECT 'it must be a table, not a view or a foreign table' FROM ours WHERE relkind NOT IN ('r', 'p')
UNION ALL
SELECT pg_catalog.format('the rule %I changes statements (DROP RULE, or use a trigger)', rulename)
FROM ours JOIN pg_rewrite ON ev_class = ours.oid
WHERE ev_type <> '1' AND ev_enabled <> 'D'
UNION ALL
SELECT pg_catalog.format('its child table %s adds rows to it (ALTER TABLE … NO INHERIT …)', inhrelid::regclass)
FROM ours JOIN pg_inherits ON inhparent = ours.oid
WHERE relkind = 'r'
UNION ALL
SELECT pg_catalog.format(
    'row-level security hides rows from the role %I (ALTER ROLE … BYPASSRLS, or ALTER TABLE … NO FORCE ROW LEVEL SECURITY '
    'if the role owns the table)', current_user
)
FROM ours
WHERE row_security_active(oid)
