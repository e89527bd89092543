"""What a run need not load to start."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
from prefect import Flow
from prefect.blocks.core import block_schema_to_key
from prefect.utilities.dispatch import get_dispatch_key

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.described import Described
from blocks.environment import Environment, LogsBucket, ResultsBucket
from flows.user_page_views import user_page_views
from tests.support.programs import printed


@pytest.mark.parametrize("flow", ["hello_world", "user_page_views"])
def test_a_run_starts_without_fastapi_pydantic_1_and_httpxs_command_line(
    prefect_server: None, flow: str
) -> None:
    code = (
        "import sys\n"
        f"from flows.{flow} import {flow}\n"
        f"{flow}(id='unused', environment='nowhere', return_state=True)\n"
        "unused = {'fastapi', 'pydantic.v1', 'httpx._main', 'click'}\n"
        "print(len(unused & set(sys.modules)), 'httpx' in sys.modules)"
    )
    assert printed(code) == ["0", "True"]


def test_httpxs_command_line_is_there_for_whoever_asks() -> None:
    code = "import httpx\nprint(callable(httpx.main), hasattr(httpx, 'nothing'), httpx.main.name)"
    assert printed(f"import flows.user_page_views\n{code}") == printed(code)
    assert printed(code)[:2] == ["True", "False"]


def test_a_parameter_of_pydantic_1_is_told_as_prefect_tells_it() -> None:
    code = (
        "from prefect import flow\n"
        "from pydantic.v1 import BaseModel\n"
        "class Old(BaseModel):\n"
        "    count: int\n"
        "@flow\n"
        "def told(one: Old, many: list[Old]): ...\n"
        "print(told.parameters.model_dump_json())"
    )
    prefects = printed(code)
    # On newer Pythons Prefect knows no models of pydantic 1.
    assert ("count" in str(prefects)) == (sys.version_info < (3, 14))
    assert printed(f"import flows.user_page_views\n{code}") == prefects


def test_each_group_of_settings_is_rendered_once_while_prefect_is_loaded() -> None:
    code = (
        "from collections import Counter\n"
        "from pydantic import BaseModel\n"
        "rendered, dump = Counter(), BaseModel.model_dump\n"
        "def counted(self, **options):\n"
        "    rendered[type(self).__name__] += 1\n"
        "    return dump(self, **options)\n"
        "BaseModel.model_dump = counted\n"
        "import flows.user_page_views\n"
        "print(*map(rendered.get, ('Settings', 'ServerSettings', 'ServerEventsSettings')))"
    )
    assert printed(code) == ["1", "1", "1"]


_LOGGING = (
    "import json, prefect.main\n"
    "from prefect.logging.configuration import PROCESS_LOGGING_CONFIG as configured\n"
    "from prefect.settings import get_current_settings\n"
    "print(json.dumps(configured, default=str, sort_keys=True))\n"
    "print(get_current_settings().to_environment_variables(include_aliases=True))"
)


def test_prefects_logging_is_configured_by_its_settings_as_without_us(tmp_path: Path) -> None:
    configuration = tmp_path / "logging.yml"
    configuration.write_text(
        "version: 1\n"
        "loggers:\n"
        "  one: {level: $PREFECT_LOGGING_LEVEL}\n"
        "  two: {level: $PREFECT_SERVER_LOGGING_LEVEL}\n"
        "  three: {level: $PREFECT_INTERNAL_LOGGING_LEVEL}\n"
    )
    for variables in (
        {},
        {"PREFECT_LOGGING_LEVEL": "WARNING", "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"},
        {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_SETTINGS_PATH": str(configuration)},
    ):
        prefects = printed(_LOGGING, **variables)
        assert variables.get("PREFECT_LOGGING_LEVEL", "INFO") in str(prefects)
        assert printed(f"import flows.user_page_views\n{_LOGGING}", **variables) == prefects


def test_settings_are_rendered_as_by_prefect_and_by_prefect_alone_afterwards() -> None:
    code = (
        "from contextlib import suppress\n"
        "from itertools import product\n"
        "import prefect.settings\n"
        "from prefect.settings import get_current_settings\n"
        "from prefect.settings.base import PrefectBaseSettings\n"
        "from flows.tasks.prefect_sooner import prefect_sooner\n"
        "def rendered():\n"
        "    render = get_current_settings().to_environment_variables\n"
        "    return [render(*how) for how in product((False, True), repeat=3)]\n"
        "prefects = rendered()\n"
        "with suppress(ImportError), prefect_sooner():\n"
        "    print('model_dump' in vars(PrefectBaseSettings), rendered() == prefects)\n"
        "    raise ImportError\n"
        "print('model_dump' in vars(PrefectBaseSettings), rendered() == prefects)\n"
        "print(len({str(one) for one in prefects}), 'of-nobody' in str(prefects))"
    )
    # With secrets and without, with the defaults and without, with other names and without.
    options = {"PREFECT_API_KEY": "of-nobody", "PREFECT_LOGGING_TO_API_ENABLED": "false"}
    assert printed(code, **options) == ["True", "True", "False", "True", "8", "True"]


def test_prefect_that_is_loaded_already_stays_as_it_is() -> None:
    code = (
        "import prefect.main\n"
        "from prefect._internal.pydantic.v1_schema import is_v1_model\n"
        "import flows.user_page_views\n"
        "from prefect._internal.pydantic import v1_schema\n"
        "print(v1_schema.is_v1_model is is_v1_model)"
    )
    assert printed(code) == ["True"]


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


WORKERS = "'prefect_aws.workers' in sys.modules, 'prefect.workers' in sys.modules"


def test_a_run_starts_without_workers() -> None:
    code = (
        "import flows.user_page_views, sys\n"
        "from prefect.blocks.core import Block\n"
        "Block.get_block_class_from_key('s3-bucket')\n"
        f"print({WORKERS}, 'aiobotocore' in sys.modules)"
    )
    assert printed(code) == ["False", "False", "False"]


BY_NAME = "BaseWorker.get_worker_class_from_type('ecs')"
BY_COMMAND = "__import__('prefect.cli._worker_utils').cli._worker_utils._load_worker_class('ecs')"


@pytest.mark.parametrize(
    ("before", "lookup"),
    [
        ("import flows.user_page_views", BY_NAME),
        ("import flows.user_page_views", BY_COMMAND),
        ("import prefect.workers.base, flows.user_page_views", BY_NAME),
        ("import prefect_aws, flows.user_page_views", BY_NAME),
    ],
)
def test_prefect_finds_the_worker_of_prefect_aws(before: str, lookup: str) -> None:
    code = (
        f"{before}\n"
        "from prefect.workers.base import BaseWorker\n"
        f"found = {lookup}\n"
        "from prefect_aws import ECSWorker\n"
        "import prefect_aws.workers.ecs_worker as worker\n"
        "print(found is ECSWorker is worker.ECSWorker)\n"
    )
    assert printed(code) == ["True"]


def test_the_worker_of_prefect_aws_is_among_the_types_that_there_are() -> None:
    code = (
        "import flows.user_page_views\n"
        "from prefect.workers.base import BaseWorker\n"
        "print('ecs' in BaseWorker.get_all_available_worker_types())"
    )
    assert printed(code) == ["True"]


@pytest.mark.parametrize(
    "asked",
    [
        "from prefect_aws import ECSWorker as found",
        "from prefect_aws.workers import ECSWorker as found",
        "import prefect_aws.workers; found = prefect_aws.workers.ECSWorker",
        "import prefect_aws; found = prefect_aws.ECSWorker",
        "import prefect_aws; found = prefect_aws.workers.ECSWorker",
        "import prefect_aws; from prefect_aws import *; found = ECSWorker",
    ],
)
def test_the_worker_of_prefect_aws_is_there_for_whoever_asks(asked: str) -> None:
    code = f"import flows.user_page_views, sys; print({WORKERS}); {asked}; print({WORKERS}, found)"
    assert printed(code) == [
        *("False", "False", "True", "True"),
        "<class",
        "'prefect_aws.workers.ecs_worker.ECSWorker'>",
    ]


def test_threads_that_ask_for_the_worker_at_once_all_have_it() -> None:
    asked = (
        "from prefect_aws import ECSWorker as found",
        "import prefect_aws; found = prefect_aws.workers.ECSWorker",
        "from prefect_aws.workers import ECSWorker as found",
        "from prefect.workers.base import BaseWorker; "
        "found = BaseWorker.get_worker_class_from_type('ecs')",
    )
    code = (
        "import flows.user_page_views, sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        f"asked = {asked!r}\n"
        "together = Barrier(len(asked))\n"
        "def ask(how):\n"
        "    names = {}\n"
        "    together.wait()\n"
        "    exec(how, names)\n"
        "    return names['found']\n"
        "sys.setswitchinterval(1e-5)\n"
        "with ThreadPoolExecutor(len(asked)) as pool:\n"
        "    found = list(pool.map(ask, asked))\n"
        "from prefect_aws import ECSWorker\n"
        "print(found == [ECSWorker] * len(asked))"
    )
    assert printed(code) == ["True"]


def package(folder: Path, body: str) -> str:
    """Python that loads a package of two modules, `costly` later."""
    (folder / "shop").mkdir()
    (folder / "shop/__init__.py").write_text(body)
    (folder / "shop/costly.py").write_text("Thing = 1\nOther = 2\n")
    return (
        f"import sys; sys.path.insert(0, {str(folder)!r})\nfrom blocks.later import loaded_later\n"
    )


LOADED = "with loaded_later('shop', 'costly', 'Thing'):\n    import shop\n"


def test_a_package_keeps_what_waits_where_something_fails_behind_it(tmp_path: Path) -> None:
    code = package(tmp_path, "from .costly import Thing\n") + (
        "try:\n"
        "    with loaded_later('shop', 'costly', 'Thing'):\n"
        "        import shop\n"
        "        1 / 0\n"
        "except ZeroDivisionError:\n"
        "    print('shop.costly' in sys.modules, shop.Thing, vars(shop)['Thing'])"
    )
    assert printed(code) == ["False", "1", "1"]


def test_a_package_with_an_answer_of_its_own_has_its_module_at_once(tmp_path: Path) -> None:
    body = "from .costly import Thing\ndef __getattr__(name):\n    return name\n"
    code = package(tmp_path, body) + LOADED + "print(shop.Thing, shop.other)"
    assert printed(code) == ["1", "other"]


def test_a_module_that_asks_while_the_package_is_loaded_has_the_module_itself(
    tmp_path: Path,
) -> None:
    body = "from .beside import Thing as theirs\nfrom .costly import Thing\n"
    code = package(tmp_path, body) + LOADED + "print(shop.theirs, shop.Thing)"
    (tmp_path / "shop/beside.py").write_text("from shop.costly import Thing\n")
    assert printed(code) == ["1", "1"]


def test_a_thread_that_comes_while_the_package_is_loaded_has_the_module_itself(
    tmp_path: Path,
) -> None:
    body = "import sys\nsys.hold()\nfrom .costly import Thing\n"
    code = package(tmp_path, body) + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def ask():\n"
        "    from shop.costly import Thing\n"
        "    return Thing\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        "    def hold():\n"
        "        global asked\n"
        "        stand_in = sys.modules['shop.costly']\n"
        "        asked = pool.submit(ask)\n"
        "        while sys.modules.get('shop.costly') is stand_in:\n"
        "            pass\n"
        "    sys.hold = hold\n"
        "    with loaded_later('shop', 'costly', 'Thing'):\n"
        "        import shop\n"
        "    print(asked.result(), shop.Thing, shop.costly.Thing)"
    )
    assert printed(code) == ["1", "1", "1"]


def test_what_prefect_aws_lacks_is_missing_as_before() -> None:
    code = (
        "import flows.user_page_views, prefect_aws\n"
        "try:\n"
        "    prefect_aws.nothing\n"
        "except AttributeError as error:\n"
        "    print(error)"
    )
    assert " ".join(printed(code)) == "module 'prefect_aws' has no attribute 'nothing'"


def test_a_package_that_imports_another_name_has_its_module_at_once(tmp_path: Path) -> None:
    told = "print('shop.costly' in sys.modules, shop.Other, shop.costly.Thing)"
    code = package(tmp_path, "from .costly import Other\n") + LOADED + told
    assert printed(code) == ["True", "2", "1"]


def test_a_package_that_fails_to_load_can_be_loaded_again(tmp_path: Path) -> None:
    code = package(tmp_path, "import sys\nsys.nothing\nfrom .costly import Thing\n") + (
        "try:\n"
        "    with loaded_later('shop', 'costly', 'Thing'):\n"
        "        import shop\n"
        "except AttributeError:\n"
        "    sys.nothing = None\n"
        "import shop\n"
        "print(shop.Thing)"
    )
    assert printed(code) == ["1"]


def test_plain_parameters_are_told_to_prefect_as_they_are() -> None:
    parameters = {"id": 123, "environment": "local", "refresh": True, "none": None}
    assert user_page_views.serialize_parameters(parameters) == parameters
    assert Flow.serialize_parameters(user_page_views, parameters) == parameters


def test_other_parameters_are_told_as_prefect_tells_them() -> None:
    parameters = {"id": date(2026, 1, 1), "environment": object(), "refresh": [1.5]}
    theirs = Flow.serialize_parameters(user_page_views, parameters)
    assert user_page_views.serialize_parameters(parameters) == theirs
