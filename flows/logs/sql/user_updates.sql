-- One batch of lines of UserUpdates/, none of them part of a longer record, into the table
-- `batch`: a status a line. Parameters as in page_views.sql.
CREATE OR REPLACE TEMP TABLE batch AS
WITH pieces AS (
    SELECT
        unnest($objects::INTEGER[]) AS object,
        unnest($first_lines::BIGINT[]) AS first_line,
        unnest(string_split($texts, chr(0))) AS text
),
split AS (
    SELECT object, first_line, string_split(text, chr(10)) AS line_list FROM pieces
),
lines AS (
    SELECT
        object,
        first_line - 1 + generate_subscripts(line_list, 1) AS line_number,
        unnest(line_list) AS line
    FROM split
),
records AS (
    SELECT
        *,
        CASE WHEN suffix(line, chr(13)) THEN line[:-2] ELSE line END AS record,
        strlen(line) - strlen(replace(line, '"', '')) AS quotes
    FROM lines
    WHERE trim(line, chr(32) || chr(9) || chr(13)) <> ''
),
-- Ten quotes, of which two are outermost and eight in separators, leave none for the fields.
split_records AS (
    SELECT
        *,
        CASE
            WHEN quotes = 0 THEN string_split(record, ',')
            WHEN quotes = 10 AND record[1] = '"' AND record[-1] = '"'
            THEN string_split(record[2:-2], '","')
        END AS field
    FROM records
),
plain AS (
    SELECT
        *,
        plain_instant(field[1]) AS updated_at,
        plain_user_id(field[2]) AS user_id
    FROM split_records
),
judged AS (
    SELECT
        *,
        CASE
            WHEN len(field) <> 5 THEN 'unsure'
            WHEN field = ['updated_at', 'user_id', 'email', 'name', 'environment'] THEN 'header'
            WHEN in_range(updated_at) AND user_id IS NOT NULL
            THEN CASE WHEN field[5] = $environment THEN 'counted' ELSE 'other_environment' END
            ELSE 'unsure'
        END AS status
    FROM plain
)
SELECT
    object,
    status,
    CASE WHEN status = 'counted' THEN updated_at END AS instant,
    CASE WHEN status = 'counted' THEN user_id END AS user_id,
    CASE WHEN status = 'counted' THEN field[3] END AS email,
    CASE WHEN status = 'counted' THEN field[4] END AS name,
    CASE WHEN status = 'unsure' THEN line_number END AS line_number,
    CASE WHEN status = 'unsure' THEN line END AS line
FROM judged;
