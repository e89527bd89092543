"""The logs of the benchmarks: made by a seeded generator, equal on every machine.

A day has page views in the order of their arrival: 5 % are sent twice, some of them minutes later,
and 10 % are of another environment. A few users make most of the views, and each user returns to
some tens of URLs, a few of which are popular with everybody.

There are two kinds of user updates. In the random ones, each update has a new email. In the
realistic ones, a user's email changes in one of 20 updates.
"""

from datetime import date, timedelta
from pathlib import Path

import duckdb

from tests.benchmarks.sizes import Size

FIRST_DAY = date(2026, 1, 1)
USERS, URLS, URLS_OF_A_USER = 100_000, 5_000, 52
SEED = 1

# Numbers between 0 and 1. They hash text: the hashes of several numbers depend on each other.
_MACROS = f"""
CREATE MACRO chance(text) AS hash(text)::DOUBLE / 18446744073709551616;
CREATE MACRO draw(day, i, purpose) AS chance(concat({SEED}, '/', day, '/', purpose, '/', i));
CREATE MACRO second_of(day, i) AS floor(86400 * draw(day, i, 'at'))::INTEGER;
CREATE MACRO one_of_five(day, i, purpose) AS 1 + (5 * draw(day, i, purpose))::INTEGER % 5;
CREATE MACRO environment_of(day, i) AS
    CASE WHEN draw(day, i, 'environment') < 0.1 THEN 'staging' ELSE 'production' END;
"""
_PAGE_VIEWS = """
WITH visits AS (
    SELECT
        i,
        floor($users * power(draw($day, i, 'user'), 2.2))::INTEGER AS user,
        floor($urls_of_a_user * power(draw($day, i, 'url'), 2))::INTEGER AS choice
    FROM range($views) AS numbers (i)
),
views AS (
    SELECT
        i,
        user,
        second_of($day, i) AS second,
        -- The same each day.
        floor($urls * power(chance(concat($seed, '/', user, '/', choice)), 3))::INTEGER AS url,
        environment_of($day, i) AS environment
    FROM visits
),
sent AS (
    SELECT *, second AS arrival FROM views
    UNION ALL
    SELECT * REPLACE (i + $views AS i), second + floor(600 * draw($day, i, 'again'))::INTEGER
    FROM views
    WHERE i < $again
)
SELECT
    format(
        '{{"ts": "{}", "url": "/{}/{}/", "environment": "{}", "user_id": {}}}',
        strftime($day::TIMESTAMP + to_seconds(second), '%Y-%m-%dT%H:%M:%S'),
        ['products', 'articles', 'help', 'search'][1 + url % 4], url,
        environment,
        user + 1
    ) AS line
FROM sent
ORDER BY arrival, i
"""
_USER_UPDATES = """
WITH updates AS (
    SELECT
        day,
        i,
        day::TIMESTAMP + to_seconds(second_of(day, i)) AS instant,
        1 + floor($users * draw(day, i, 'user'))::INTEGER AS user,
        environment_of(day, i) AS environment
    -- An email depends on the user's earlier updates.
    FROM unnest($days) AS days (day), range($updates) AS numbers (i)
),
versions AS (
    SELECT
        *,
        count(*) FILTER (draw(day, i, 'email') < $email_changes) OVER (
            PARTITION BY user, environment ORDER BY instant, i
        ) AS version
    FROM updates
)
SELECT
    format(
        '"{}","{}","{}@example.com","{} {}","{}"',
        strftime(instant, '%Y-%m-%dT%H:%M:%S'),
        user,
        substr(
            md5(if(
                $email_changes = 1,
                concat(day, '/', i),
                concat_ws('/', $seed, user, environment, version)
            )), 1, 11
        ),
        ['Ada', 'Cheri', 'Grace', 'Maja', 'Noor'][one_of_five(day, i, 'first')],
        ['Honey', 'Okafor', 'Sørensen', 'Tran', 'Vogel'][one_of_five(day, i, 'last')],
        environment
    ) AS line
FROM versions
WHERE day = $day
ORDER BY draw(day, i, 'at'), i
"""


def write_page_views(folder: Path, size: Size, number: int) -> None:
    """Write the objects of a day's page views, under their keys in a folder; 0 is the first day."""
    original = size.views * 20 // 21
    values = {"users": USERS, "urls": URLS, "urls_of_a_user": URLS_OF_A_USER, "seed": SEED}
    values |= {"views": original, "again": size.views - original}
    lines = _query(_PAGE_VIEWS, {**values, "day": f"{_day(number)}"})
    _write(folder / f"PageViews/{_day(number):%Y/%m/%d}", lines, size.objects, "json")


def write_user_updates(folder: Path, size: Size, number: int, *, realistic: bool) -> None:
    """Write the object of a day's user updates, under its key in a folder."""
    days = [f"{_day(one)}" for one in range(0 if realistic else number, number + 1)]
    values = {"users": USERS, "seed": SEED, "updates": size.updates, "days": days, "day": days[-1]}
    lines = _query(_USER_UPDATES, {**values, "email_changes": 0.05 if realistic else 1})
    _write(folder / f"UserUpdates/{_day(number):%Y/%m/%d}", lines, 1, "csv")


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def _query(query: str, values: dict[str, object]) -> list[str]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(_MACROS)
        return [line for (line,) in connection.execute(query, values).fetchall()]


def _write(folder: Path, lines: list[str], objects: int, suffix: str) -> None:
    folder.mkdir(parents=True)
    for part in range(objects):
        some = lines[len(lines) * part // objects : len(lines) * (part + 1) // objects]
        (folder / f"{part:04}.{suffix}").write_text("\n".join(some) + "\n", encoding="utf-8")
