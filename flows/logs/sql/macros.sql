-- What the fast path may answer for: each macro gives NULL wherever it is not sure, and the line
-- then goes to the reference reader (records.py). So a macro may be narrower than the contract,
-- never wider.

-- Seconds and fraction of `YYYY-MM-DD[T ]HH:MM:SS[.ffffff][Z|±HH:MM]`, in UTC.
CREATE TEMP MACRO plain_instant(text) AS (
    CASE
        WHEN translate(text[:19], '123456789', '000000000')
                NOT IN ('0000-00-00T00:00:00', '0000-00-00 00:00:00')
            OR text[12:13] > '23'
        THEN NULL
        WHEN strlen(text) = 19 OR text[20:] = 'Z' THEN TRY_CAST(text[:19] AS TIMESTAMP)
        WHEN regexp_full_match(text[20:], '\.[0-9]{1,6}Z?')
        THEN TRY_CAST(rtrim(text, 'Z') AS TIMESTAMP)
        WHEN regexp_full_match(text[20:], '(\.[0-9]{1,6})?[+-]([01][0-9]|2[0-3]):[0-5][0-9]')
        THEN TRY_CAST(text[:-7] AS TIMESTAMP)
            - to_minutes(
                CAST(text[-6:-6] || '1' AS INTEGER)
                * (60 * CAST(text[-5:-4] AS INTEGER) + CAST(text[-2:] AS INTEGER))
            )
    END
);

CREATE TEMP MACRO in_range(instant) AS
    instant BETWEEN TIMESTAMP '1970-01-01 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59.999999';

-- The content of a JSON string as `json_extract` prints it, where nothing in it is escaped.
CREATE TEMP MACRO plain_string(json) AS
    CASE WHEN json[1] = '"' AND NOT contains(json, '\') THEN json[2:-2] END;

CREATE TEMP MACRO plain_user_id(text) AS
    CASE WHEN regexp_full_match(text, '-?[0-9]{1,18}') THEN CAST(text AS BIGINT) END;
