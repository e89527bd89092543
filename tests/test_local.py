"""The environment `local`."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.environment import s3_client
from blocks.local import local_environment
from flows.user_page_views import user_page_views


def test_each_run_finds_the_logs_that_are_in_the_folder(work_folder: Path, prefect_server: None) -> None:
    first = user_page_views(id="1")
    added = work_folder / ".local" / "logs" / "PageViews" / "added.json"
    line = '{"ts": "2017-04-15T17:09:09", "url": "/new/", "environment": "production", "user_id": 7}'
    added.write_text(line)
    second = user_page_views(id="2")
    assert (second.objects_parsed, second.objects_reused) == (1, first.objects_parsed)
    assert second.page_views.counted == first.page_views.counted + 1

    added.write_text(f"{line}\n{line.replace('/new/', '/newer/')}")
    assert user_page_views(id="3").page_views.counted == first.page_views.counted + 2

    added.unlink()
    fourth = user_page_views(id="4")
    assert (fourth.objects_parsed, fourth.objects_reused) == (0, first.objects_parsed)
    assert fourth.page_views == first.page_views


def test_the_bucket_contains_the_logs_of_the_working_directory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        logs = tmp_path / name / ".local" / "logs"
        logs.mkdir(parents=True)
        (logs / "shared.json").write_text(name)
        (logs / f"only-in-{name}.json").write_text(name)
    for name in ("one", "two", "one"):
        monkeypatch.chdir(tmp_path / name)
        client = s3_client(local_environment().logs)
        keys = [item["Key"] for item in client.list_objects_v2(Bucket="logs")["Contents"]]
        assert keys == [f"only-in-{name}.json", "shared.json"]
        body = client.get_object(Bucket="logs", Key="shared.json")["Body"].read()
        assert body == name.encode()
