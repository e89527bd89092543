"""A cold run without Prefect.

`python -m tests.benchmarks.without_prefect ENDPOINT LOGS_BUCKET RESULTS_BUCKET DATABASE_URL` runs
the flow as it is, its blocks, tasks, threads and stored records too, where Prefect's names stand
for the least that lets it run: nothing of Prefect is imported, and no server is told of anything.
What a run with Prefect takes longer is Prefect's share.
"""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, ParamSpec, TypeVar

from flows.collecting import nothing_collected

with nothing_collected():
    import boto3
    from pydantic import BaseModel, SecretStr

P = ParamSpec("P")
R = TypeVar("R")

SCHEMA = "without_prefect"

_pool = ThreadPoolExecutor(2)
_store: ContextVar[Any] = ContextVar("store")
_key: ContextVar[str] = ContextVar("key")


class Flow(Generic[P, R]):
    """A function."""

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        return self._function(*arguments, **named)


class Task(Generic[P, R]):
    """A function that threads call, with the key of its result."""

    def __init__(self, function: Callable[P, R], key: Callable[..., str]) -> None:
        self._function, self._key = function, key

    def with_options(self, **_: Any) -> Task[P, R]:
        """The same."""
        return self

    def submit(self, *arguments: P.args, **named: P.kwargs) -> Future[R]:
        """Call it in a thread."""
        bound = inspect.signature(self._function).bind(*arguments, **named)

        def call() -> R:
            _key.set(self._key(None, bound.arguments))
            return self._function(*arguments, **named)

        return _pool.submit(copy_context().run, call)


class Block(BaseModel):
    """A block that nobody saves."""


class AwsCredentials(Block):
    """What the blocks of ours take of prefect-aws."""

    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    region_name: str | None = None
    aws_client_parameters: Any = None

    def __hash__(self) -> int:
        return id(self)

    def get_boto3_session(self) -> boto3.Session:
        """A session with these credentials."""
        assert self.aws_secret_access_key is not None
        return boto3.Session(
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key.get_secret_value(),
            region_name=self.region_name,
        )


class S3Bucket(Block):
    """The same."""

    bucket_name: str
    bucket_folder: str = ""


class LocalFileSystem(Block):
    """The same."""

    basepath: str | None = None


class FlowRunContext:
    """Where the flow says which results storage it wants."""

    flow_run = None
    result_store = SimpleNamespace(model_copy=lambda update: update["result_storage"])

    @classmethod
    def get(cls) -> FlowRunContext:
        """The one that there is."""
        return cls()

    @contextmanager
    def model_copy(self, update: dict[str, Any]) -> Iterator[None]:
        """Within: that storage."""
        _store.set(update["result_store"])
        yield


class _ResultStore:
    def __init__(self) -> None:
        self.result_storage = _store.get()

    def write(self, obj: object, key: str) -> None:
        self.result_storage.write_path(key, json.dumps({"result": obj}).encode())


def _put(module: str, **names: object) -> None:
    made = sys.modules.setdefault(module, ModuleType(module))
    made.__path__ = []
    for name, value in names.items():
        setattr(made, name, value)


def stand_in() -> None:
    """Let the imports of Prefect find what is here instead."""
    log = logging.getLogger("flows")
    settings = SimpleNamespace(heartbeat_frequency=None)
    vars(settings).update(flows=settings, model_copy=lambda update: settings)
    context = SimpleNamespace(profile=None, settings=settings)
    _put(
        "prefect",
        flow=lambda **_: Flow,
        task=lambda cache_policy, **_: lambda function: Task(function, cache_policy),
        Flow=Flow,
        Task=Task,
        get_run_logger=lambda: log,
        plugins=SimpleNamespace(load_prefect_collections=dict),
    )
    _put("prefect.main")
    _put("prefect.task_runners", ThreadPoolTaskRunner=lambda max_workers: None)
    _put(
        "prefect.context",
        FlowRunContext=FlowRunContext,
        SettingsContext=lambda **_: nullcontext(),
        get_settings_context=lambda: context,
    )
    _put("prefect.events", emit_event=None)
    _put("prefect.settings", get_current_settings=lambda: settings)
    _put("prefect.artifacts", create_markdown_artifact=lambda **_: None)
    _put("prefect.cache_policies", CacheKeyFnPolicy=lambda cache_key_fn: cache_key_fn)
    _put("prefect.filesystems", LocalFileSystem=LocalFileSystem, WritableFileSystem=Block)
    _put("prefect.results", get_result_store=_ResultStore)
    _put("prefect.serializers", JSONSerializer=None)
    _put("prefect.transactions", get_transaction=lambda: SimpleNamespace(key=_key.get()))
    _put("prefect.runtime", flow_run=SimpleNamespace(get_scheduled_start_time=lambda: None))
    _put("prefect.exceptions", MissingContextError=LookupError)
    _put("prefect.logging", get_logger=lambda _: log, get_run_logger=lambda: log)
    _put("prefect.blocks")
    _put("prefect.blocks.core", Block=Block)
    _put("prefect.client")
    _put("prefect.client.orchestration", get_client=None)
    _put("prefect_aws.client_parameters", AwsClientParameters=SimpleNamespace)
    _put("prefect_aws", AwsCredentials=AwsCredentials, S3Bucket=S3Bucket)


def main(endpoint: str, logs: str, results: str, database_url: str) -> None:
    """Publish the logs of the benchmarks' endpoint into a schema of its own."""
    stand_in()
    from blocks.credentials import AwsSessionCredentials
    from blocks.database import Database
    from blocks.environment import Environment, LogsBucket, ResultsBucket
    from flows.tasks import environments
    from flows.user_page_views import user_page_views

    parameters = SimpleNamespace(
        endpoint_url=endpoint, get_params_override=partial(dict, endpoint_url=endpoint)
    )
    credentials = AwsSessionCredentials.model_validate(
        {
            "aws_access_key_id": "benchmark",
            "aws_secret_access_key": "benchmark",
            "region_name": "us-east-1",
            "aws_client_parameters": parameters,
        }
    )
    environment = Environment(
        logs=LogsBucket(bucket_name=logs, credentials=credentials),
        results=ResultsBucket(bucket_name=results, credentials=credentials),
        database=Database(url=SecretStr(database_url), schema_name=SCHEMA),
    )
    vars(environments).update(load_environment=lambda _: environment)
    user_page_views(id="without-prefect", environment=SCHEMA)


if __name__ == "__main__":
    main(*sys.argv[1:])
