"""Published ids: their stages as cached tasks, whose results are in the ledger."""

from typing import Any

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.load import load_environment
from flows.tasks.caching import cached_task, record_name
from flows.tasks.extract import EXTRACT
from flows.tasks.listing import LIST
from flows.tasks.places import results_of, warehouse_of
from flows.tasks.publish import PUBLISH
from flows.warehouse.ledger import PublishedRun, find_run


def find_published(block: Environment, flow: str, id: str) -> PublishedRun | None:
    """The ledger's row of this id, or None."""
    with warehouse_of(block) as warehouse:
        return find_run(warehouse, flow, id)


def lost_from_ledger(block: Environment, environment: str, id: str) -> list[str]:
    """What to report if the ledger has lost the row of a published id."""
    if results_of(block).read(record_name(*PUBLISH, environment, id)) is None:
        return []
    sentence = "The database had no row of this run, which was published before: it runs again."
    get_run_logger().warning(sentence)
    return [sentence]


def show_published(id: str, environment: str, flow: str, run: PublishedRun) -> None:
    """Call the stages of a published id, so that the UI shows them as cached.

    A stage whose record is lost does no work: it takes its result from the ledger.
    """
    listed = run.stages["list_logs"]
    futures = [_list_logs.submit(id, environment, flow)]
    futures += [
        _extract_logs.with_options(task_run_name=name).submit(id, environment, part, flow)
        for part, name in enumerate(names_of_parts(listed))
    ]
    futures.append(_publish_table.submit(id, environment, flow))
    for future in futures:
        future.result()


def names_of_parts(listed: dict[str, Any]) -> list[str]:
    """The names of the task runs that extract logs, such as `extract page views 2/4`.

    Args:
        listed: The result of the stage that listed the logs.
    """
    # Runs of the first version have recorded only the number of parts.
    kinds: list[str] = listed["kinds"] if "kinds" in listed else ["logs"] * listed["parts"]
    numbers = [kinds[: place + 1].count(kind) for place, kind in enumerate(kinds)]
    return [
        f"extract {kind.replace('_', ' ')} {number}/{kinds.count(kind)}"
        for kind, number in zip(kinds, numbers, strict=True)
    ]


def _published(id: str, environment: str, flow: str) -> PublishedRun:
    run = find_published(load_environment(environment), flow, id)
    if run is None:
        raise LookupError(f"The database has lost the row of the run {id!r}: run it again.")
    return run


@cached_task(*LIST, "Nothing to do: the id is published.")
def _list_logs(id: str, environment: str, flow: str) -> Any:
    return _published(id, environment, flow).stages["list_logs"]


@cached_task(*EXTRACT, "Nothing to do: the id is published.")
def _extract_logs(id: str, environment: str, part: int, flow: str) -> Any:
    return _published(id, environment, flow).stages["extract_logs"][part]


@cached_task(*PUBLISH, "Nothing to do: the id is published.")
def _publish_table(id: str, environment: str, flow: str) -> Any:
    return _published(id, environment, flow).summary
