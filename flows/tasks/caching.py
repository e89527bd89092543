"""The one cache policy: how a task's result is keyed, stored and trusted.

- A key is readable: `records/{task}/v{version}/{environment}/{id}[-{part}].json`.
- A result is small JSON. It is written within the task, so that a failed write fails the task; Prefect alone would only
  log it, after the task has completed.
- A stored record that is not plain JSON is refused before it is read: Prefect would let the record choose its own
  reader, such as pickle, which runs what it reads.
- The record only saves work. The output of a step (a file, or the row in `pipeline_runs`) proves that it is done; if
  that is missing, the task is called with `refresh_cache=True`.
"""

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import FlowRunContext
from prefect.filesystems import WritableFileSystem
from prefect.results import get_result_store
from prefect.serializers import JSONSerializer
from prefect.transactions import get_transaction
from pydantic import PrivateAttr

from flows.errors import StorageError
from flows.storage.results import ResultsStorage
from flows.tasks.failures import or_failed

P = ParamSpec("P")
R = TypeVar("R")
_FOLDER = "records/"


def cached_task(name: str, version: int, description: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task whose JSON result is stored under its environment, id and part.

    The function's parameters must include `id` and `environment`; a parameter `part` distinguishes several calls in one
    run. Submit the task: called directly, one that fails returns its state.

    Args:
        name: The task's name, and the first part of its key.
        version: Raise it with any change of what the result means.
        description: What the UI shows.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        def work(*args: P.args, **kwargs: P.kwargs) -> R:
            result = function(*args, **kwargs)
            _store(result)
            return result

        @functools.wraps(function)
        def stored(*args: P.args, **kwargs: P.kwargs) -> R:
            return or_failed(work, *args, **kwargs)

        def key(_: object, parameters: dict[str, Any]) -> str:
            part = f"-{parameters['part']}" if "part" in parameters else ""
            return record_name(name, version, parameters["environment"], parameters["id"] + part)

        decorated: Task[P, R] = task(
            name=name,
            task_run_name=name.replace("-", " "),
            description=description,
            cache_policy=CacheKeyFnPolicy(cache_key_fn=key),
            persist_result=True,
            result_serializer="json",
            cache_result_in_memory=False,
        )(stored)
        return decorated

    return decorate


def fresh(cached: Task[P, R]) -> Task[P, R]:
    """The task without trust in its stored records; it writes new ones."""
    return cached.with_options(refresh_cache=True)


def record_name(task: str, version: int, environment: str, id: str) -> str:
    """Where a task's record of an id is stored."""
    return f"{_FOLDER}{task}/v{version}/{environment}/{id}.json"


def _store(result: Any) -> None:
    transaction, store = get_transaction(), get_result_store()
    if transaction is None or not isinstance(store.result_storage, Records):
        raise StorageError("A cached task ran outside of a flow that names its results storage.")
    if json.loads(json.dumps(result)) != result or _names_class(result):
        raise TypeError("The result of a cached task must be plain JSON.")
    store.write(obj=result, key=str(transaction.key))
    # It is written already, where a failure counts.
    transaction.write_on_commit = False


class Records(WritableFileSystem):
    """Prefect's view of a results storage: JSON records under readable keys, and nothing else."""

    _block_type_name = "User Page Views Records"
    _storage: ResultsStorage = PrivateAttr()

    @classmethod
    def over(cls, storage: ResultsStorage) -> "Records":
        """The records in this storage."""
        records = cls()
        records._storage = storage
        return records

    def _resolve_path(self, path: str) -> str:
        # Prefect asks for the absolute path of a key, and removes the storage's own path from it.
        return f"/{path.removeprefix('/')}"

    # Prefect declares these two as coroutines and calls them synchronously, with `_sync`.
    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        """The record, if it is JSON.

        Raises:
            ValueError: There is no such record, or it is not plain JSON; to Prefect, both mean that there is no result.
        """
        content = self._storage.read(path.removeprefix("/"))
        if content is None:
            raise ValueError(f"there is no record {path!r}")
        if not _is_plain_json(content):
            get_run_logger().warning(f"The stored record {path!r} is not plain JSON: refused.")
            raise ValueError(f"the record {path!r} is not plain JSON; it is not read")
        return content

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # type: ignore[override]
        """Store a record; exceptions of failed tasks, which Prefect also sends, are not kept."""
        name = path.removeprefix("/")
        if name.startswith(_FOLDER):
            self._storage.write(name, content)


def _is_plain_json(content: bytes) -> bool:
    """Whether reading the record imports and calls nothing that the record names.

    A record names its serializer, which names its decoder, and Prefect's decoder creates an object of any class that a
    member such as `__class__` names.
    """
    try:
        record = json.loads(content)
        serializer = record["metadata"]["serializer"]
        result = json.loads(record["result"])
    except (ValueError, KeyError, TypeError):
        return False
    ours = JSONSerializer().model_dump(mode="json")
    named = ("type", "jsonlib", "object_encoder", "object_decoder")
    return all(serializer.get(name) == ours[name] for name in named) and not _names_class(result)


def _names_class(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key.startswith("__") or _names_class(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_names_class, value))


@contextmanager
def results_in(storage: ResultsStorage) -> Iterator[None]:
    """Within a flow: the tasks called here store their results in this storage."""
    context = FlowRunContext.get()
    if context is None:
        raise StorageError("Results storage is chosen within a flow run.")
    store = context.result_store.model_copy(
        update={"result_storage": Records.over(storage), "cache_result_in_memory": False}
    )
    with context.model_copy(update={"result_store": store}):
        yield
