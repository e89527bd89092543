-- A user's later update replaces an earlier one. Text compares by Unicode code point.
UPDATE {latest_updates} AS old
SET instant = new.instant, email = new.email, name = new.name
FROM {staging} AS new
WHERE
    old.user_id = new.user_id
    AND (old.instant, old.email COLLATE "C", old.name COLLATE "C")
    < (new.instant, new.email COLLATE "C", new.name COLLATE "C")
