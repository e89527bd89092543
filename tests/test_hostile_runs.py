"""Whole runs over logs meant to hurt: the table and the rejects are those of the model."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from flows.errors import LogsError
from flows.logs.decompress import EXPANSION_FLOOR
from tests.support.model import model
from tests.support.world import World
from tests.test_user_page_views import assert_account, fill

TEXTS = [
    *["'; DROP TABLE user_page_views; --", "$(touch /tmp/x)`id`; rm -rf / & | > <", "'", '"', '""'],
    *[r"\N", r"\.", "\n\\.\n", "\\", "\\\\N", r"\t\n\r\b\x00\101", "NULL", "null", "None", "NaN"],
    *["{}", "{1,2}", '{"a": 1}', "(1,2)", "[1]", "=1+1", "%s %(a)s $1 :a {0} ?", "$$x$$", "/*", "--"],
    *["\n", "\r\n", "\r", "\t", "a\nb", ",", ",,,,", ";", "|", "\x01\x1f\x7f", "\x85\u2028\u2029"],
    *["\ufeff", "\u202e\u05d0", "caf\u00e9", "cafe\u0301", "\U0001f600", " ", "  a  ", "../../etc"],
    *["<script>alert(1)</script>", "${jndi:ldap://x}", "{{ prefect.blocks }}", "E'\\x'", "0x41"],
]
KEYS = [
    *["'; DROP TABLE rejected_records; --", "$(id)`id`", r"\N", r"\.", "a\tb", "a b+c%20%s", '"'],
    *["NULL", "{{ x }}", "{0}", "caf\u00e9 \U0001f600", "[*]?", "#", "=1", "a,b;c", "\\"],
]
HERE = '\'; DROP SCHEMA public CASCADE; -- \\N "%s" $(id) \u00e9'


def view(**fields: object) -> str:
    values = {"ts": "2017-04-15T17:09:09", "url": "/a/", "environment": HERE, "user_id": 1, **fields}
    return json.dumps(values, ensure_ascii=False)


def update(**fields: object) -> str:
    values = {"at": "2017-04-01T00:00:42", "user": 1, "email": "a@example.com", "name": "A", "environment": HERE}
    return ",".join('"' + str(value).replace('"', '""') + '"' for value in (values | fields).values())


def hostile_logs() -> dict[str, bytes]:
    """Each text in each field, each key with a good and a bad record."""
    views, updates = [], []
    for number, text in enumerate(TEXTS):
        views += [
            *[view(url=text, user_id=number), view(ts=text), view(user_id=text)],
            *[view(environment=text), view(environment=[text]), text, view(**{text: text})],
        ]
        updates += [
            *[update(user=number, email=text), update(user=number, name=text), update(user=text)],
            *[update(at=text), update(environment=text), update() + text, text],
        ]
    logs = {
        "PageViews/texts": "\n".join(views).encode(),
        "UserUpdates/texts": "\r\n".join(updates).encode(),
        "PageViews/garbage": b"\0\xff" * 2_000 + b"\n" + b"\0" * 5_000 + b"\n" + b"[" * 100_000,
        "UserUpdates/garbage": b'\0"\n\xff\n' + "\U0001f600".encode() * 2_000 + b"\n\\N\n\\.\n",
    }
    for key in KEYS:
        logs[f"PageViews/{key}"] = f"{view(url=key)}\n{key}\n".encode()
        logs[f"UserUpdates/{key}"] = f"{update(name=key)}\n{key}\n".encode()
    return logs


def test_code_as_text_in_every_field_and_key_stays_text(world: World) -> None:
    world.register(LOG_ENVIRONMENT=HERE, MAX_REJECTED_RATIO="1")
    logs = hostile_logs()
    expected = model(fill(world, logs), HERE)
    assert len(expected.rows) >= len(TEXTS)
    summary = world.run("hostile")
    assert world.rows() == expected.rows
    assert_account(summary, expected)
    found = world.execute("SELECT object_key, line_number, reason, line FROM rejected_records")
    wanted = [(r.object_key, r.line_number, r.reason, r.line) for r in expected.rejects]
    assert sorted(found) == sorted(wanted)
    assert max(len(line) for *_, line in found) == 1_000
    assert world.run("hostile") == summary


def test_a_bomb_fails_the_run_and_a_raised_ratio_accepts_it(world: World) -> None:
    world.put("UserUpdates/1", update())
    world.put("PageViews/1", view(environment="production"))
    world.run("before")
    rows = world.rows()
    blank = b" " * (2**20 - 1) + b"\n"
    world.put("PageViews/bomb.gz", gzip.compress(blank * (EXPANSION_FLOOR // 2**20 + 1), 9))
    with pytest.raises(LogsError, match=r"'PageViews/bomb\.gz'.* 500 times .*MAX_EXPANSION_RATIO"):
        world.run("bomb")
    assert world.rows() == rows
    assert world.execute("SELECT id FROM pipeline_runs") == [("before",)]
    world.register(MAX_EXPANSION_RATIO="2000")
    assert world.run("bomb").page_views.lines == 1
    assert world.rows() == rows


def test_a_line_of_50_mb_is_rejected_in_a_run(world: World) -> None:
    long = "x" * 50_000_000
    too_long = view(environment="production", url="/b/", other=long)
    world.put("PageViews/1", f"{too_long}\n{view(environment='production')}\n")
    world.put("UserUpdates/1", update(environment="production"))
    world.register(MAX_REJECTED_RATIO="0.5")
    summary = world.run("long")
    assert (summary.page_views.counted, summary.page_views.rejected) == (1, 1)
    assert world.rows().keys() == {(1, "/a/")}
    assert world.execute("SELECT line_number, reason, line FROM rejected_records") == [
        (1, "malformed", too_long[:1_000])
    ]


@pytest.mark.long
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("many", ["users", "urls"])
def test_very_many_users_of_one_url_and_very_many_urls_of_one_user(many: str, world: World) -> None:
    number, first = 300_000, datetime(2017, 4, 15, tzinfo=UTC)

    def pair(n: int) -> tuple[int, str]:
        return (n, "/") if many == "users" else (7, f"/products/{n}/?q={n * n % 97}")

    for part in range(4):
        lines = []
        for n in range(part, number, 4):
            user, url = pair(n)
            for second in (n % 1000, n % 1000 + (n % 3 > 0)):  # one view twice, or two
                at = (first + timedelta(seconds=second)).isoformat()[:19]
                lines.append(view(ts=at, url=url, user_id=user, environment="production"))
        world.put(f"PageViews/{part}.gz", gzip.compress("\n".join(lines).encode(), 1))
    world.put(
        "UserUpdates/1",
        "\n".join(update(user=n, email=f"{n}@x", environment="production") for n in range(0, number, 7)),
    )
    summary = world.run("many")
    assert (summary.page_views.lines, summary.rows_written) == (2 * number, number)
    rows = world.rows()
    assert len(rows) == number
    for n in range(number):
        user, url = pair(n)
        latest = first + timedelta(seconds=n % 1000 + (n % 3 > 0))
        email = f"{user}@x" if user % 7 == 0 else None
        assert rows[user, url] == (email, 1 + (n % 3 > 0), latest), n
