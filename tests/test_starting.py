"""What a run need not load to start."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date

import pytest
from prefect import Flow
from prefect.blocks.core import block_schema_to_key
from prefect.settings import PREFECT_API_URL
from prefect.utilities.dispatch import get_dispatch_key

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.described import Described
from blocks.environment import Environment, LogsBucket, ResultsBucket
from flows.user_page_views import user_page_views


def printed(code: str) -> list[str]:
    """What a program prints, in a process of its own."""
    command = [sys.executable, "-c", code]
    variables = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    done = subprocess.run(
        command, env=variables, check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.split()


def test_a_run_starts_without_fastapi(prefect_server: None) -> None:
    code = (
        "import sys\n"
        "from flows.hello_world import hello_world\n"
        "hello_world(id='fastapi', environment='nowhere', return_state=True)\n"
        "print('fastapi' in sys.modules)"
    )
    assert printed(code) == ["False"]


def test_a_run_starts_without_making_schemas_of_block_types() -> None:
    code = (
        "import flows.user_page_views\n"
        "from blocks.described import Described\n"
        "print(len(Described._schemas))"
    )
    assert printed(code) == ["0"]


@pytest.mark.parametrize(
    "block_type", [AwsSessionCredentials, Database, LogsBucket, ResultsBucket, Environment]
)
def test_prefect_finds_a_block_type_by_the_key_that_it_would_give(
    block_type: type[Described],
) -> None:
    assert get_dispatch_key(block_type) == block_schema_to_key(block_type._to_block_schema())


def test_block_types_of_others_have_the_keys_that_prefect_would_give_and_none_is_missing() -> None:
    code = (
        "import {}\n"
        "from prefect.blocks.core import Block, block_schema_to_key\n"
        "from prefect.utilities.dispatch import get_registry_for_type\n"
        "types = get_registry_for_type(Block)\n"
        "theirs = {{key: one for key, one in types.items() if one.__module__[:7] == 'prefect'}}\n"
        "assert theirs == {{block_schema_to_key(one._to_block_schema()): one\n"
        "    for one in theirs.values()}}\n"
        "assert vars(Block)['__dispatch_key__'].__func__.__module__ == 'prefect.blocks.core'\n"
        "print(*sorted(theirs))"
    )
    ours, alone = (printed(code.format(name)) for name in ("blocks.environment", "prefect_aws"))
    assert "lambda-function" in ours
    assert set(ours) >= set(alone)


def test_what_watches_the_tasks_of_the_ecs_worker_is_loaded_when_the_worker_calls_it() -> None:
    code = (
        "import sys\n"
        "import flows.user_page_views\n"
        "from prefect.utilities.dispatch import lookup_type\n"
        "from prefect.workers.base import BaseWorker\n"
        "worker = sys.modules[lookup_type(BaseWorker, 'ecs').__module__]\n"
        "print('aiobotocore' in sys.modules, 'prefect_aws.observers.ecs' in sys.modules)\n"
        "import prefect_aws.observers.ecs as observers\n"
        "print(worker.start_observer is observers.start_observer)\n"
        "observers.start_observer = lambda *given, **named: (given, named)\n"
        "print(worker.start_observer(1, two=2) == ((1,), {'two': 2}))"
    )
    assert printed(code) == ["False", "False", "False", "True"]


def test_other_names_of_a_module_that_waits_load_it() -> None:
    code = (
        "import sys\n"
        "from blocks.later import functions_later\n"
        "with functions_later('colorsys', 'rgb_to_hsv'):\n"
        "    from colorsys import rgb_to_hsv\n"
        "    print('rgb_to_hls' in vars(sys.modules['colorsys']))\n"
        "    from colorsys import ONE_THIRD\n"
        "    print('rgb_to_hls' in vars(sys.modules['colorsys']))\n"
        "print('colorsys' in sys.modules, ONE_THIRD * 3, rgb_to_hsv(0, 0, 1)[1])"
    )
    assert printed(code) == ["False", "True", "True", "1.0", "1.0"]


def test_plain_parameters_are_told_to_prefect_as_they_are() -> None:
    parameters = {"id": 123, "environment": "local", "refresh": True, "none": None}
    assert user_page_views.serialize_parameters(parameters) == parameters
    assert Flow.serialize_parameters(user_page_views, parameters) == parameters


def test_other_parameters_are_told_as_prefect_tells_them() -> None:
    parameters = {"id": date(2026, 1, 1), "environment": object(), "refresh": [1.5]}
    theirs = Flow.serialize_parameters(user_page_views, parameters)
    assert user_page_views.serialize_parameters(parameters) == theirs
