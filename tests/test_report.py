"""What a run says of itself: its artifact in the UI, and the summary on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from markdown_it import MarkdownIt
from prefect.client.schemas.objects import State

from flows.counts import PARTS, REASONS, Counts
from flows.errors import LogsError
from flows.extracts.units import Place, StoredFile, Unit
from flows.logs.objects import LogObject
from flows.summary import RunSummary
from flows.tasks.report import LISTED, describe
from flows.user_page_views import user_page_views
from tests.support.runs import artifacts_of, flow_run_of, logs_of, run_id_of
from tests.support.world import World
from tests.test_user_page_views import FIRST, SECOND, fill, run_observed, update, view

BAD = {
    "PageViews/bad.jsonl": "{bad known-line\n" * 3 + view("x") + view(1, "") + view(1, at="24:00") + view(1) * 99,
    "UserUpdates/bad.csv": '"no time","1","known@example.com","N","production"\n' + update(1, "a@example.com") * 30,
}


def tables(markdown: str) -> list[list[list[str]]]:
    """The cells of the tables of a Markdown text, as they are read; a table has nothing but text and code in it."""
    parser, found = MarkdownIt("commonmark").enable(["table", "strikethrough"]), list[list[list[str]]]()
    for token in parser.parse(markdown):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and token.level > 3:
            children = token.children or []
            assert {child.type for child in children} <= {"text", "code_inline", "text_special"}, token.content
            found[-1][-1].append("".join(child.content for child in children))
    return found


def artifact(state: State[Any]) -> str:
    [markdown] = artifacts_of(state)
    return markdown


def test_the_artifact_accounts_for_every_line_by_kind_reason_and_object(world: World) -> None:
    fill(world, BAD)
    world.register(MAX_REJECTED_RATIO="1")
    state = run_observed(world, "one")
    summary, markdown = state.result(), artifact(state)
    lines, reasons, objects = tables(markdown)
    kinds = (summary.page_views, summary.user_updates)
    both = Counts.total(kinds)
    for row, counts in zip(lines[1:], (*kinds, both), strict=True):
        assert row[1:] == [f"{getattr(counts, part):,}" for part in PARTS]
    assert [row[0] for row in lines[1:]] == ["PageViews/", "UserUpdates/", "both"]
    # In the contract's order, each with its meaning.
    found = {row[0]: row[1:] for row in reasons[1:]}
    assert list(found) == [reason for reason in REASONS if reason in both.reasons]
    assert found["malformed"] == ["3", "0", "3", REASONS["malformed"]]
    assert found["bad_timestamp"] == ["1", "1", "2", REASONS["bad_timestamp"]]
    assert objects[1:] == [
        ["PageViews/bad.jsonl", "105", "6", "malformed 3, bad_timestamp 1, bad_user_id 1, bad_url 1"],
        ["UserUpdates/bad.csv", "31", "1", "bad_timestamp 1"],
        ["all log objects", "136", "7", "malformed 3, bad_timestamp 2, bad_user_id 1, bad_url 1"],
    ]
    assert "docs/logs.md" in markdown
    assert "known" not in markdown


def test_the_artifact_of_a_rerun_says_who_published_when_and_that_nothing_was_done(world: World) -> None:
    fill(world, FIRST)
    first = run_observed(world, "one")
    again = run_observed(world, "one")
    told, title = artifact(again), "# user_page_views: run one in "
    assert told.startswith(title)
    assert "nothing was done" in told
    assert "nothing was done" not in artifact(first)
    [(started, published)] = world.execute(
        "SELECT to_char(started_at, 'YYYY-MM-DD HH24:MI:SS'), to_char(published_at, 'YYYY-MM-DD HH24:MI:SS') "
        "FROM (SELECT set_config('TimeZone', 'UTC', false)) AS utc, pipeline_runs"
    )
    assert f"Published {published} UTC by the run {flow_run_of(first).name} (flow run {run_id_of(first)})" in told
    assert f"which started {started} UTC" in told
    assert str(run_id_of(again)) not in told
    # Otherwise it is the report of the run that published.
    assert told.splitlines()[4:] == artifact(first).splitlines()[2:]
    # A run that an earlier version has published has noted less.
    world.execute("UPDATE pipeline_runs SET stages = stages - 'report'")
    older = artifact(run_observed(world, "one"))
    assert "nothing was done" in older
    assert f"Published {published} UTC: " in older
    assert tables(older)[0] == tables(told)[0]


def test_the_artifact_shows_the_change_since_the_last_published_run(world: World) -> None:
    fill(world, FIRST)
    first = run_observed(world, "one")
    assert "Change since" not in artifact(first)
    before = first.result()
    fill(world, SECOND)
    for id, refresh in (("two", False), ("two", True)):
        state: State[Any] = user_page_views(id=id, environment=world.name, refresh=refresh, return_state=True)
        after, told = state.result(), artifact(state)
        assert f"Change since the run {before.id}, published " in told
        assert f": {after.rows - before.rows:+,} rows" in told
        change = tables(told)[0][-1]
        now, then = (Counts.total([one.page_views, one.user_updates]) for one in (after, before))
        assert change == ["change", *(f"{getattr(now, part) - getattr(then, part):+,}" for part in PARTS)]
        before = after


ODD = [
    "a|b",
    "`a` ``b``",
    "[x](http://example.com) ![y](z)",
    "<script>alert(1)</script>",
    "*a* _b_ __c__ ~~d~~",
    "&lt;&#96; \\| \\` \\\\",
    "https://example.com www.example.com a@example.com",
    "line\nbreak\r\n\n| a | b |",
    "tab\tnul\0escape\x1b[31m",
    "right\u202eleft \u2028 \U0001f600",
    "# - 1. > ==",
]


@pytest.mark.parametrize("key", ODD)
def test_a_key_is_shown_as_it_is_whatever_it_contains(key: str) -> None:
    item, counts = LogObject("page_views", f"PageViews/{key}", "e", 1), Counts(2, 1, rejected=1, reasons={"bad_url": 1})
    place = Place(Unit("m", [item], [counts], [None], StoredFile("n", "s"), None), 0)
    markdown = describe(summary(page_views=counts), None, {item: place})
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in f"PageViews/{key}")
    assert tables(markdown)[2][1:] == [[shown, "2", "1", "bad_url 1"], ["all log objects", "2", "1", "bad_url 1"]]
    for link in ("http://", "https://e", "www."):
        assert link not in markdown


def test_the_worst_objects_are_listed_and_the_totals_are_exact(world: World) -> None:
    objects = {f"PageViews/{n:02}": "{bad\n" * n + view(n) * 100 for n in range(1, LISTED + 6)}
    fill(world, {**objects, "UserUpdates/1": update(1, "a@example.com"), "PageViews/odd|`<key": "{\n" * 200})
    world.register(MAX_REJECTED_RATIO="1")
    rows = tables(artifact(run_observed(world, "one")))[2][1:]
    assert [row[0] for row in rows[:3]] == ["PageViews/odd|`<key", "PageViews/25", "PageViews/24"]
    assert len(rows) == LISTED + 2
    assert rows[-2] == ["6 more", "621", "21", "malformed 21"]
    assert rows[-1] == ["all log objects", "3,026", "525", "malformed 525"]


def test_a_run_that_fails_for_its_rejects_has_the_table_too_and_says_the_rest_in_one_sentence(world: World) -> None:
    bad = {**BAD, "PageViews/worse.jsonl": "{bad known-line\n" * 1_000}
    fill(world, bad)
    state = run_observed(world, "one")
    with pytest.raises(LogsError) as error:
        state.result()
    markdown, log = artifact(state), logs_of(state)
    assert markdown.startswith("# Run one failed")
    assert "Nothing was published. The worst objects: 'PageViews/worse.jsonl' with 1,000 of 1,000" in markdown
    lines, reasons, objects = tables(markdown)
    assert lines[1:] == [["PageViews/", "1,105", "1,006"], ["UserUpdates/", "31", "1"], ["both", "1,136", "1,007"]]
    assert reasons[1] == ["malformed", "1,003", "0", "1,003", REASONS["malformed"]]
    names = ["PageViews/worse.jsonl", "PageViews/bad.jsonl", "UserUpdates/bad.csv", "all log objects"]
    assert [row[0] for row in objects[1:]] == names
    for text in (markdown, log):
        assert "known" not in text
        assert "Traceback" not in text
    assert log.splitlines()[-1] == f"Finished in state Failed({str(error.value)!r})"
    assert flow_run_of(state).state_name == "Failed"


def summary(**changes: Any) -> RunSummary:
    at = datetime(2026, 11, 22, 5, tzinfo=UTC)
    values = {
        **{"id": "one", "environment": "staging", "fingerprint": "f" * 64, "listed_at": at, "published_at": at},
        **{"page_views": Counts(), "user_updates": Counts(), "objects_parsed": 1, "objects_reused": 0},
        **{"rows": 1, "rows_written": 1, "seconds": 1.25},
    }
    return RunSummary.model_validate(values | changes)


HUGE = Counts(**{part: 10**15 for part in PARTS}, reasons={reason: 10**15 for reason in REASONS})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"id": "a" * 128, "environment": "e" * 31, "overtaken": True},
        {"page_views": HUGE, "user_updates": HUGE, "rows": 10**15, "rows_written": 10**15, "seconds": 1e7},
        {"healed": ["The stored plan 'plans/v6/0123456789abcdef/0123.json' is missing or damaged. " * 3] * 2},
    ],
    ids=["small", "long names", "large numbers", "healed"],
)
def test_a_printed_summary_fits_the_terminal_and_says_all(changes: dict[str, Any]) -> None:
    one = summary(**changes)
    text = str(one)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(text.split())
    for number in (one.rows, one.objects_parsed, *one.page_views.reasons.values(), one.user_updates.lines):
        assert f"{number:,}" in words
    for sentence in one.healed:
        assert " ".join(sentence.split()) in words
    assert ("overtaken" in text) == one.overtaken
    assert one.fingerprint in text
    assert one.id[:60] in text
    if not changes:
        assert len(lines) == 8
        assert repr(one) == text
