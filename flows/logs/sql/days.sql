-- The first and the last instant of each day on which added objects have events.
-- $events: files of events.
SELECT epoch_us(min(instant)), epoch_us(max(instant))
FROM (
    SELECT file_index::INTEGER AS file, object, instant FROM read_parquet($events)
)
JOIN wanted USING (file, object)
GROUP BY instant::DATE;
