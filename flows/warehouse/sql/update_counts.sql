-- Rows that this service has left in the table. Rows that were inserted in this transaction, or that
-- others write at the same time, are not among them.
UPDATE {target} AS old
SET
    count = old.count + new.count,
    last_viewed = greatest(old.last_viewed, new.last_viewed),
    email = nullif(latest.email, '')
FROM {staging} AS new
LEFT JOIN {latest_updates} AS latest USING (user_id)
WHERE old.user_id = new.user_id AND old.url = new.url AND old.xmin = ANY ({left_by}::xid [])
