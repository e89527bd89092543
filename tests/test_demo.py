"""`make demo`, from an empty folder: what a newcomer sees first."""

import os
import subprocess
import sys
from pathlib import Path

from prefect.settings import PREFECT_API_URL


def demo(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.demo"],
        cwd=folder,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or "", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_fills_the_table_and_finds_nothing_to_do_the_second_time(
    prefect_server: None, tmp_path: Path
) -> None:
    first = demo(tmp_path)
    assert "Every line accounted for" in first
    assert "10 log objects parsed, 0 reused; 3,857 of 3,857 rows written." in first
    for reason in ("malformed", "bad_timestamp", "bad_url", "bad_user_id", "missing_field"):
        assert f"rejected from PageViews/ as {reason}" in first
    rows = [line for line in first.splitlines() if "/products/" in line]
    assert len(rows) == 10
    assert max(len(line) for line in rows) <= 80
    for command in ("make demo", "deployments.query", "prefect server start", "blocks.register"):
        assert command in first

    second = demo(tmp_path)
    assert "nothing to do" in second
    assert [line for line in second.splitlines() if "/products/" in line] == rows

    query = "SELECT count(*), sum(count) FROM user_page_views"
    done = subprocess.run(
        [sys.executable, "-m", "deployments.query", query],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "3857" in done.stdout
    assert "17017" in done.stdout
