-- The other rows of the users whose email has changed.
UPDATE {target} AS old
SET email = nullif(latest.email, '')
FROM {staging} AS new
JOIN {latest_updates} AS latest USING (user_id)
WHERE
    old.user_id = new.user_id
    AND old.email IS DISTINCT FROM nullif(latest.email, '')
    AND old.xmin = ANY ({left_by}::xid [])
