"""Published ids: their stages as cached tasks, whose results are in the ledger."""

from typing import Any

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.load import load_environment
from flows.errors import WarehouseError
from flows.tasks.caching import cached_task, record_name
from flows.tasks.extract import EXTRACT
from flows.tasks.listing import LIST
from flows.tasks.places import results_of, warehouse_of
from flows.tasks.publish import PUBLISH
from flows.tasks.runs import Run
from flows.warehouse.ledger import PublishedRun, find_run


def find_published(block: Environment, run: Run) -> PublishedRun | None:
    """The ledger's row of this run's id, or None; from now on, the run's schema is known.

    Raises:
        WarehouseError: Another environment has published to the schema.
    """
    with warehouse_of(block.database, run.schema) as warehouse:
        run.schema = warehouse.tables.schema
        return find_run(warehouse, run.flow, run.id, run.environment)


def lost_from_ledger(block: Environment, environment: str, id: str) -> list[str]:
    """What to report if the ledger has lost the row of a published id."""
    if results_of(block).read(record_name(*PUBLISH, environment, id)) is None:
        return []
    sentence = "The database had no row of this run, which was published before: it runs again."
    get_run_logger().warning(sentence)
    return [sentence]


def show_published(run: Run, published: PublishedRun) -> None:
    """Call the stages of a published id, so that the UI shows them as cached.

    A stage whose record is lost does no work: it takes its result from the ledger.
    """
    listed = published.stages["list_logs"]
    futures = [_list_logs.submit(run.id, run.environment, run)]
    futures += [
        _extract_logs.with_options(task_run_name=name).submit(run.id, run.environment, part, run)
        for part, name in enumerate(names_of_parts(listed))
    ]
    futures.append(_publish_table.submit(run.id, run.environment, run))
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


def _published(run: Run) -> PublishedRun:
    published = find_published(load_environment(run.environment), run)
    if published is None:
        raise WarehouseError(f"The database has lost the row of the run {run.id!r}: run it again.")
    return published


@cached_task(*LIST, "Nothing to do: the id is published.")
def _list_logs(id: str, environment: str, run: Run) -> Any:
    return _published(run).stages["list_logs"]


@cached_task(*EXTRACT, "Nothing to do: the id is published.")
def _extract_logs(id: str, environment: str, part: int, run: Run) -> Any:
    return _published(run).stages["extract_logs"][part]


@cached_task(*PUBLISH, "Nothing to do: the id is published.")
def _publish_table(id: str, environment: str, run: Run) -> Any:
    return _published(run).summary
