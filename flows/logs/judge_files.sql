-- Judges all lines of whole files.
INSERT INTO judged
WITH records AS (FROM read_page_views($files))
FROM judge_page_views('records', $log_environment);
