"""The logs of the benchmarks: made by a seeded generator, equal on every machine.

A day has page views in the order of their arrival: 5 % are sent twice, some of them minutes later,
and 10 % are of another environment. Few users make most of the views; each comes back to some
tens of URLs, of which few are most users'.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb

from tests.benchmarks.sizes import Size

FIRST_DAY = date(2026, 1, 1)
USERS, URLS, URLS_OF_A_USER = 100_000, 5_000, 52

# Between 0 and 1. Of text: the hashes of several numbers depend on each other.
_MACROS = """
CREATE MACRO chance(text) AS hash(text)::DOUBLE / 18446744073709551616;
CREATE MACRO draw(i, purpose) AS chance(concat({seed}, '/{day}/', purpose, '/', i));
"""
_PAGE_VIEWS = """
WITH visits AS (
    SELECT
        i,
        floor({users} * power(draw(i, 'user'), 2.2))::INTEGER AS user,
        floor({urls_of_a_user} * power(draw(i, 'url'), 2))::INTEGER AS choice
    FROM range({views}) AS numbers (i)
),
views AS (
    SELECT
        i,
        user,
        floor(86400 * draw(i, 'at'))::INTEGER AS second,
        -- The same each day.
        floor({urls} * power(chance(concat({seed}, '/', user, '/', choice)), 3))::INTEGER AS url,
        CASE WHEN draw(i, 'environment') < 0.1 THEN 'staging' ELSE 'production' END AS environment
    FROM visits
),
sent AS (
    SELECT *, second AS arrival FROM views
    UNION ALL
    SELECT * REPLACE (i + {views} AS i), second + floor(600 * draw(i, 'again'))::INTEGER
    FROM views
    WHERE i < {again}
)
SELECT
    format(
        '{{{{"ts": "{{}}", "url": "/{{}}/{{}}/", "environment": "{{}}", "user_id": {{}}}}}}',
        strftime($day::TIMESTAMP + to_seconds(second), '%Y-%m-%dT%H:%M:%S'),
        ['products', 'articles', 'help', 'search'][1 + url % 4], url,
        environment,
        user + 1
    ) AS line
FROM sent
ORDER BY arrival, i
"""
_USER_UPDATES = """
SELECT
    format(
        '"{{}}","{{}}","{{}}@example.com","{{}} {{}}","{{}}"',
        strftime(
            $day::TIMESTAMP + to_seconds(floor(86400 * draw(i, 'at'))::INTEGER), '%Y-%m-%dT%H:%M:%S'
        ),
        1 + floor({users} * draw(i, 'user'))::INTEGER,
        substr(md5(concat($day, '/', i)), 1, 11),
        ['Ada', 'Cheri', 'Grace', 'Maja', 'Noor'][1 + (5 * draw(i, 'first'))::INTEGER % 5],
        ['Honey', 'Okafor', 'Sørensen', 'Tran', 'Vogel'][1 + (5 * draw(i, 'last'))::INTEGER % 5],
        CASE WHEN draw(i, 'environment') < 0.1 THEN 'staging' ELSE 'production' END
    ) AS line
FROM range({updates}) AS numbers (i)
ORDER BY draw(i, 'at'), i
"""


def write_day(folder: Path, size: Size, number: int, seed: int = 1) -> None:
    """Write the logs of one day below the folder, under the keys of their objects.

    Args:
        folder: Stands for the bucket.
        size: What a day holds.
        number: Which day, from 0.
        seed: Other seeds, other logs.
    """
    day = FIRST_DAY + timedelta(days=number)
    original = size.views * 20 // 21
    values = {"users": USERS, "urls": URLS, "urls_of_a_user": URLS_OF_A_USER, "seed": seed}
    values |= {"updates": size.updates, "views": original, "again": size.views - original}
    with duckdb.connect(":memory:") as connection:
        connection.execute(_MACROS.format(seed=seed, day=day))
        for prefix, query, objects, suffix in (
            ("PageViews", _PAGE_VIEWS, size.objects, "json"),
            ("UserUpdates", _USER_UPDATES, 1, "csv"),
        ):
            target = folder / prefix / f"{day:%Y/%m/%d}"
            target.mkdir(parents=True, exist_ok=True)
            lines = connection.execute(query.format(**values), {"day": str(day)}).fetchall()
            for part, some in enumerate(_split([line for (line,) in lines], objects)):
                content = "\n".join(some) + "\n"
                (target / f"{part:04}.{suffix}").write_text(content, encoding="utf-8")


def _split(lines: list[str], parts: int) -> Iterator[list[str]]:
    for part in range(parts):
        yield lines[len(lines) * part // parts : len(lines) * (part + 1) // parts]
