"""`make demo` in an empty folder: what a newcomer sees first."""

from pathlib import Path

import pytest

from tests.support.programs import python


def demo(folder: Path) -> str:
    return python("-m", "deployments.demo", folder=folder, variables={"COLUMNS": "80"}).stdout


@pytest.mark.long
def test_the_demo_fills_the_table_and_finds_nothing_to_do_the_second_time(prefect_server: None, tmp_path: Path) -> None:
    first = demo(tmp_path)
    words = " ".join(first.split())
    assert "3,857 rows, 3,857 written; 10 log objects parsed, 0 reused" in words
    assert "PageViews/ 20,575 17,017 469 2,134 940 15" in words
    reasons = ("malformed", "missing_field", "bad_timestamp", "bad_user_id", "bad_url")
    places = [first.index(f"\n {reason} ") for reason in reasons]
    assert places == sorted(places)
    assert max(len(line.rstrip()) for line in first.splitlines() if "http" not in line and "python" not in line) <= 80
    rows = [line for line in first.splitlines() if "/products/" in line]
    assert len(rows) == 10
    assert max(len(line) for line in rows) <= 80
    for command in ("make demo", "deployments.query", "prefect server start", "blocks.register"):
        assert command in first

    second = demo(tmp_path)
    assert "nothing was done" in second
    assert [line for line in second.splitlines() if "/products/" in line] == rows

    query = "SELECT count(*), sum(count) FROM user_page_views"
    shown = python("-m", "deployments.query", query, folder=tmp_path).stdout
    assert "3857" in shown
    assert "17017" in shown
