-- What added objects bring to each (user_id, url): page views that no known object holds.
-- $events: files of events of page views.
CREATE TEMP TABLE new_views AS
WITH views AS (
    SELECT added, user_id, places.url, instant
    FROM (
        SELECT file_index::INTEGER AS file, object, instant, user_id, url AS place
        FROM read_parquet($events)
    )
    JOIN wanted USING (file, object)
    JOIN places USING (file, place)
),
brought AS (
    SELECT DISTINCT user_id, url, instant FROM views WHERE added
)
SELECT user_id, url, count(*) AS count, max(instant) AS last_viewed
FROM brought
ANTI JOIN (SELECT user_id, url, instant FROM views WHERE NOT added) USING (user_id, url, instant)
GROUP BY user_id, url;
