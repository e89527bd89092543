-- Each user's latest update, and the number of the user's distinct ones.
-- $events: files of events of user updates; of their users, those of part $part of $parts.
-- The numbers are cast, because a remainder of the hash and an INTEGER is one of 128 bits, which takes
-- longer than all else here.
-- Text compares by its UTF-8 bytes, which is the order of code points.
INSERT INTO emails
WITH updates AS (
    SELECT DISTINCT user_id, instant, email, name
    FROM (
        SELECT *, file_index::INTEGER AS file FROM read_parquet($events)
    )
    ANTI JOIN unwanted USING (file, object)
    WHERE hash(user_id) % $parts::UBIGINT = $part::UBIGINT
)
SELECT user_id, max({instant: instant, email: email, name: name}) AS latest, count(*) AS updates
FROM updates
GROUP BY user_id;
