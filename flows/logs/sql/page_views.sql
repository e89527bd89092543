-- One batch of whole lines of PageViews/ into the table `batch`: a status a line.
-- $objects, $first_lines and $texts are parallel lists, the first two written as `[1, 2]`, the
-- texts with U+0000 between them: each text is some lines of one object.
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
-- DuckDB's reader accepts a trailing comma and NaN, and takes the first of equal names where we
-- take the last; an escape may spell a letter of a name. Whatever looks like one of these is left
-- to the reference reader.
fields AS (
    SELECT
        object,
        line_number,
        line,
        CASE
            WHEN NOT regexp_matches(
                line,
                '"ts".*"ts"|"url".*"url"|"environment".*"environment"|"user_id".*"user_id"'
                || '|,\s*[}\]]|[:\[,\s+-](?i:nan|inf)|\\u00(?:5[fF]|[67])',
                's'
            )
            THEN CAST(TRY(json_extract(line, ['ts', 'url', 'environment', 'user_id'])) AS VARCHAR[])
        END AS field
    FROM lines
    WHERE trim(line, chr(32) || chr(9) || chr(13)) <> ''
),
plain AS (
    SELECT
        object,
        line_number,
        line,
        plain_instant(plain_string(field[1])) AS viewed_at,
        CASE WHEN strlen(field[2]) BETWEEN 3 AND 2050 THEN plain_string(field[2]) END AS url,
        plain_string(field[3]) AS environment,
        field[4] IS NULL OR field[4] IN ('null', '""') AS visitor,
        CASE
            WHEN field[4][1] = '"' THEN plain_user_id(plain_string(field[4]))
            WHEN regexp_full_match(field[4], '-?[0-9]+') THEN TRY_CAST(field[4] AS BIGINT)
        END AS user_id
    FROM fields
),
judged AS (
    SELECT
        *,
        CASE
            WHEN in_range(viewed_at)
                AND url IS NOT NULL
                AND environment IS NOT NULL
                AND (visitor OR user_id IS NOT NULL)
            THEN
                CASE
                    WHEN environment <> $environment THEN 'other_environment'
                    WHEN visitor THEN 'anonymous'
                    ELSE 'counted'
                END
            ELSE 'unsure'
        END AS status
    FROM plain
)
SELECT
    object,
    status,
    CASE WHEN status = 'counted' THEN viewed_at END AS instant,
    CASE WHEN status = 'counted' THEN user_id END AS user_id,
    CASE WHEN status = 'counted' THEN url END AS url,
    CASE WHEN status = 'unsure' THEN line_number END AS line_number,
    CASE WHEN status = 'unsure' THEN line END AS line
FROM judged;
