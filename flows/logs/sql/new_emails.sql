-- Each user's latest update, and whether it changes the user's email.
-- $latest: the file of the latest updates that were known.
CREATE TEMP TABLE emails AS
WITH known AS (
    SELECT user_id, {instant: instant, email: email, name: name} AS latest
    FROM read_parquet($latest)
),
brought AS (
    SELECT user_id, max({instant: instant, email: email, name: name}) AS latest
    FROM new_updates
    GROUP BY user_id
)
SELECT
    user_id,
    greatest(known.latest, brought.latest) AS latest,
    nullif(known.latest.email, '') IS DISTINCT FROM
    nullif((greatest(known.latest, brought.latest)).email, '') AS changed
FROM known
FULL JOIN brought USING (user_id);
