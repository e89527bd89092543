-- User updates: which CSV records count. Python's csv module has split them (csv_records.py).

-- The records of a file of JSON Lines that user_updates.py has written.
CREATE OR REPLACE TEMP MACRO read_user_updates(files) AS TABLE
    SELECT
        object, line_number, problem, line,
        fields[1] AS updated_at, fields[2] AS user_id, fields[3] AS email, fields[4] AS name, fields[5] AS environment
    FROM read_json(
        files, format = 'newline_delimited', hive_partitioning = false,
        columns = {object: 'INTEGER', line_number: 'BIGINT', problem: 'VARCHAR', line: 'VARCHAR', fields: 'VARCHAR[]'}
    );

-- The verdict of each record, as for page views.
CREATE OR REPLACE TEMP MACRO judge_user_updates(records, log_environment) AS TABLE
    WITH typed AS (
        SELECT * REPLACE (user_id_of(user_id) AS user_id), instant_of(updated_at) AS instant
        FROM query_table(records)
    )
    SELECT object, line_number, line, instant, user_id, email, name, CASE
        WHEN problem IS NOT NULL THEN problem
        WHEN NOT coalesce(is_in_range(instant), false) THEN 'bad_timestamp'
        WHEN user_id IS NULL THEN 'bad_user_id'
        WHEN NOT (is_text(email) AND is_text(name) AND is_text(environment)) THEN 'bad_text'
        WHEN environment <> log_environment THEN 'other_environment'
        ELSE 'counted'
    END AS verdict
    FROM typed;
