"""How many cores a run uses."""

from __future__ import annotations

import pytest
from prefect.filesystems import LocalFileSystem
from pydantic import SecretStr

from blocks.cores import usable_cores
from blocks.database import Database
from blocks.environment import Environment, LogsBucket
from tests.support.programs import python


def test_a_process_may_use_the_cores_of_its_affinity() -> None:
    code = (
        "import os\n"
        "from blocks.cores import usable_cores\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "print(usable_cores())"
    )
    assert python("-c", code).stdout == "1\n"


@pytest.mark.parametrize("threads", [None, 1, 1000])
def test_a_run_uses_every_core_up_to_its_maximum_of_threads(threads: int | None) -> None:
    environment = Environment(
        logs=LogsBucket(bucket_name="logs"),
        results=LocalFileSystem(),
        database=Database(url=SecretStr("postgresql://h/d")),
        threads=threads,
    )
    assert environment.thread_count() == (1 if threads == 1 else usable_cores())
