-- The grain is (user_id, url); url is a number of `urls`. $events: files of events of page views.
-- Events are distinct within an object, so duplicates lie only where the times of two meet: there,
-- all of one instant are one; elsewhere they are counted at once, which takes half the time.
CREATE TEMP TABLE counts AS
WITH events AS (
    SELECT file_index::INTEGER AS file, object, instant, user_id, url AS place
    FROM read_parquet($events)
),
located AS (
    SELECT
        user_id,
        url,
        instant,
        CASE WHEN instant <= after_time OR instant >= before_time THEN instant END AS shared
    FROM events
    JOIN places USING (file, place)
    ANTI JOIN unwanted USING (file, object)
),
grouped AS (
    SELECT
        user_id,
        url,
        CASE WHEN shared IS NULL THEN count(*) ELSE 1 END AS count,
        max(instant) AS last_viewed
    FROM located
    GROUP BY user_id, url, shared
)
SELECT user_id, url, sum(count)::BIGINT AS count, max(last_viewed) AS last_viewed
FROM grouped
GROUP BY user_id, url;
