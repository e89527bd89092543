-- Page views: how JSON Lines become records, and which of them count.

-- The records of whole files: a row for each line that is not blank, in order. A line that DuckDB
-- cannot read is a row of NULLs, and can turn the row after it into NULLs as well. The largest object is a line of
-- 16 MiB and its line end; longer ones are cut before (plain_file.py).
CREATE OR REPLACE TEMP MACRO read_page_views(files) AS TABLE
    SELECT
        file_index::INTEGER AS object, row_number() OVER () AS line_number,
        NULL::VARCHAR AS problem, NULL::VARCHAR AS line,
        ts::VARCHAR AS ts, url::VARCHAR AS url, environment::VARCHAR AS environment, user_id::VARCHAR AS user_id
    FROM read_json(
        files, format = 'newline_delimited', hive_partitioning = false, ignore_errors = true, maximum_object_size = 16842752,
        columns = {ts: 'JSON', url: 'JSON', environment: 'JSON', user_id: 'JSON'}
    );

-- The records of single lines (object, line_number, problem, line): each line is read by itself.
CREATE OR REPLACE TEMP MACRO parse_page_views(lines) AS TABLE
    WITH trimmed AS (
        -- ASCII white space, as read_json allows it around an object.
        SELECT *, trim(line, concat(' ', chr(9), chr(11), chr(12), chr(13))) AS content
        FROM query_table(lines)
    ),
    parsed AS (
        SELECT *, CASE
            WHEN problem IS NULL AND TRY(json_type(content)) = 'OBJECT' THEN TRY(from_json(
                content, '{"ts": "JSON", "url": "JSON", "environment": "JSON", "user_id": "JSON"}'
            ))
        END AS record
        FROM trimmed
    )
    SELECT
        object, line_number,
        CASE WHEN record IS NULL THEN coalesce(problem, 'malformed') END AS problem,
        substring(line, 1, 1000) AS line,
        record.ts::VARCHAR AS ts, record.url::VARCHAR AS url,
        record.environment::VARCHAR AS environment, record.user_id::VARCHAR AS user_id
    FROM parsed;

-- The verdict of each record: 'counted', 'other_environment', 'anonymous', or the first reason for its
-- rejection. The first branches are those of valid records, so that most rows need no other.
CREATE OR REPLACE TEMP MACRO judge_page_views(records, log_environment) AS TABLE
    WITH typed AS (
        SELECT
            object, line_number, problem, line,
            ts IS NULL OR url IS NULL OR environment IS NULL AS lacks_field,
            instant_of(string_of(ts)) AS instant,
            string_of(url) AS url,
            string_of(environment) AS environment,
            user_id IS NULL OR user_id = '""' AS is_anonymous,
            user_id_of(CASE WHEN starts_with(user_id, '"') THEN string_of(user_id) ELSE user_id END) AS user_id
        FROM query_table(records)
    ),
    checked AS (
        SELECT *, coalesce(
            problem IS NULL AND is_in_range(instant) AND (user_id IS NOT NULL OR is_anonymous)
            AND is_url(url) AND is_text(url) AND is_text(environment),
            false
        ) AS is_valid
        FROM typed
    )
    SELECT object, line_number, line, instant, user_id, url, CASE
        WHEN is_valid AND environment <> log_environment THEN 'other_environment'
        WHEN is_valid AND is_anonymous THEN 'anonymous'
        WHEN is_valid THEN 'counted'
        WHEN problem IS NOT NULL THEN problem
        WHEN lacks_field THEN 'missing_field'
        WHEN NOT coalesce(is_in_range(instant), false) THEN 'bad_timestamp'
        WHEN user_id IS NULL AND NOT is_anonymous THEN 'bad_user_id'
        WHEN NOT is_url(url) THEN 'bad_url'
        ELSE 'bad_text'
    END AS verdict
    FROM checked;
