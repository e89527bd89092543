"""Work that is larger than DuckDB's memory spills to the folder that the environment names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from blocks.load import load_environment
from flows.duck import DuckLimits, duck
from flows.errors import SettingsError
from flows.tasks.places import work_space
from flows.tasks.scratch import scratch_folder
from tests.support.model import model
from tests.support.small_disk import small_file_system
from tests.support.world import World
from tests.test_user_page_views import FIRST, fill, update, view

_LARGE = "CREATE TABLE large AS SELECT md5(i::VARCHAR) AS text FROM range(3000000) AS n (i)"
_WHOLE = "SELECT string_agg(md5(i::VARCHAR), '') FROM range(3000000) AS n (i)"
_KILLED = """
import sys
from pathlib import Path
from flows.tasks.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "spill").mkdir()
    (folder / "spill" / "rest").write_bytes(b"x")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def left_by_a_killed_process(folder: Path) -> Path:
    """What a process that was killed while it spilled has left there."""
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    left = folder / process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (left / "spill" / "rest").exists()
    return left


def test_what_does_not_fit_into_memory_spills_to_the_folder_and_is_deleted_afterwards(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "on the way"
    world.register(DUCKDB_SPILL_FOLDER=str(folder), DUCKDB_MEMORY_LIMIT="100MB")
    environment = load_environment(world.name)
    with work_space(environment) as (_, limits), duck(limits) as connection:
        connection.execute(_LARGE)
        spilled = connection.execute("SELECT path, size FROM duckdb_temporary_files()").fetchall()
        assert sum(size for _, size in spilled) > 10_000_000
        assert all(Path(path).is_relative_to(folder) for path, _ in spilled)
    assert list(folder.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", ["page_views", "user_updates"])
def test_a_run_that_spills_publishes_the_same_table(world: World, tmp_path: Path, kind: str) -> None:
    random = Random(1)
    bodies = {
        "page_views": lambda: view(random.randrange(1_000), f"/{random.getrandbits(1_200):x}"),
        "user_updates": lambda: update(random.randrange(1_000_000), f"{random.getrandbits(1_200):x}@example.com"),
    }
    key = {"page_views": "PageViews/large", "user_updates": "UserUpdates/large"}[kind]
    objects = fill(world, FIRST | {key: "".join(bodies[kind]() for _ in range(200_000))})
    # With 200 MB neither fits, spilled or not.
    world.register(DUCKDB_SPILL_FOLDER=str(tmp_path), DUCKDB_MEMORY_LIMIT="300MB")
    world.run("one")
    assert world.rows() == model(objects).rows
    assert list(tmp_path.iterdir()) == []


def test_a_run_deletes_what_killed_runs_have_spilled_and_nothing_else(world: World, tmp_path: Path) -> None:
    fill(world, FIRST)
    world.register(DUCKDB_SPILL_FOLDER=str(tmp_path))
    (tmp_path / "other").mkdir()
    left = left_by_a_killed_process(tmp_path)
    with scratch_folder(tmp_path) as at_work:
        world.run("one")
        assert not left.exists()
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "other", at_work])


def test_a_folder_that_cannot_be_used_is_reported_before_any_log_is_read(world: World, tmp_path: Path) -> None:
    objects = fill(world, FIRST)
    (tmp_path / "file").touch()
    world.register(DUCKDB_SPILL_FOLDER=str(tmp_path / "file" / "folder"))
    with pytest.raises(SettingsError, match=r"cannot spill to .*file/folder.*DUCKDB_SPILL_FOLDER"):
        world.run("one")
    assert world.stored("extracts/") == {}
    world.register(DUCKDB_SPILL_FOLDER=str(tmp_path))
    world.run("one")
    assert world.rows() == model(objects).rows


def test_work_that_is_too_large_for_its_limits_names_the_setting(tmp_path: Path) -> None:
    limits = DuckLimits(50 * 2**20, 2, tmp_path / "spill")
    with pytest.raises(SettingsError, match=r"50 MiB of memory.*DUCKDB_MEMORY_LIMIT"), duck(limits) as connection:
        connection.execute(_WHOLE)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system takes root")
@pytest.mark.parametrize("room", [-(2**19), 2**15], ids=["for the logs", "for the extract"])
def test_a_spill_folder_without_room_is_named_and_the_id_runs_again(world: World, tmp_path: Path, room: int) -> None:
    lines = "".join(view(user, f"/{user}/{user * user}/") for user in range(12_000))
    objects = fill(world, FIRST | {"PageViews/many": lines})
    with small_file_system(tmp_path / "small", str(len(lines) + room)) as folder:
        world.register(DUCKDB_SPILL_FOLDER=str(folder))
        with pytest.raises(SettingsError, match=r"disk of the folder '.*small' is full.*DUCKDB_SPILL_FOLDER"):
            world.run("one")
        assert list(folder.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        world.run("one")
    assert world.rows() == model(objects).rows
