DELETE FROM {target} AS old
WHERE NOT EXISTS (SELECT FROM {staging} AS new WHERE {same_key})
