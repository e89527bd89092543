-- Judges a batch of suspect lines, each read by itself.
INSERT INTO judged_again
WITH records AS (FROM parse_page_views('suspects'))
FROM judge_page_views('records', $log_environment);
