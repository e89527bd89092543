-- The rules of a valid record (contract, section 2), as macros for DuckDB. Each rule exists once, for
-- both kinds of log. Texts are what the log says; NULL means that a rule does not hold.

-- The instant that a timestamp denotes, in UTC. Without a zone, a time is UTC; a fraction is truncated
-- to microseconds.
CREATE OR REPLACE TEMP MACRO instant_of(timestamp_text) AS
    CASE
        WHEN regexp_full_match(
            timestamp_text, '\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d'
        ) THEN TRY_CAST(timestamp_text AS TIMESTAMP)
        WHEN regexp_full_match(
            timestamp_text,
            '\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?'
        ) THEN TRY_CAST(
            regexp_replace(timestamp_text, '(\.\d{6})\d+', '\1') AS TIMESTAMPTZ
        ) AT TIME ZONE 'UTC'
    END;

CREATE OR REPLACE TEMP MACRO is_in_range(instant) AS
    instant BETWEEN TIMESTAMP '1970-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999';

-- A user id: ASCII digits with an optional minus, within 64 bits.
CREATE OR REPLACE TEMP MACRO user_id_of(digits) AS
    CASE WHEN regexp_full_match(digits, '-?\d+') THEN TRY_CAST(digits AS BIGINT) END;

CREATE OR REPLACE TEMP MACRO is_url(url) AS
    url IS NOT NULL AND strlen(url) BETWEEN 1 AND 2048;

-- PostgreSQL cannot store U+0000.
CREATE OR REPLACE TEMP MACRO is_text(text) AS
    text IS NOT NULL AND NOT contains(text, chr(0));

-- The content of a JSON string; NULL for any other JSON value.
CREATE OR REPLACE TEMP MACRO string_of(json) AS
    CASE
        WHEN NOT starts_with(json, '"') THEN NULL
        WHEN contains(json, '\') THEN json::JSON ->> '$'
        ELSE substring(json, 2, length(json) - 2)
    END;

-- Whether a verdict is that of a valid record.
CREATE OR REPLACE TEMP MACRO is_valid(verdict) AS
    verdict IN ('counted', 'other_environment', 'anonymous');
