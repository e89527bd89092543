-- The distinct user updates that added objects hold and no known object does.
-- $events: files of events of user updates.
CREATE TEMP TABLE new_updates AS
WITH updates AS (
    SELECT added, user_id, instant, email, name
    FROM (
        SELECT *, file_index::INTEGER AS file FROM read_parquet($events)
    )
    JOIN wanted USING (file, object)
)
SELECT user_id, instant, email, name FROM updates WHERE added
EXCEPT
SELECT user_id, instant, email, name FROM updates WHERE NOT added;
