"""The flow hello-world: three steps, each with an output that proves it is done."""

from prefect import flow

from blocks.load import load_environment
from flows.run_id import EnvironmentName, RunId, check_id
from flows.tasks.caching import results_in
from flows.tasks.failures import or_failed
from flows.tasks.places import results_of
from flows.tasks.runs import due, run_name
from flows.tasks.words import is_written, join_words, write_word


@flow(name="hello-world", flow_run_name=run_name, persist_result=False, validate_parameters=False)
def hello_world(id: RunId = None, environment: EnvironmentName = "local") -> str:
    """Write "Hello" and "World" into two files, and both into a third.

    If the id was run before, the run does nothing; a file that was deleted is written again.

    Args:
        id: The run's key: 1 to 128 letters, digits or . _ : + = @ -, or an integer up to 2^53 - 1. If omitted, the
            run's date is used.
        environment: The environment in whose results storage the files are written.
    """
    return or_failed(_hello_world, id, environment)


def _hello_world(id: str | int | None, environment: str) -> str:
    run_id = check_id(id, due())
    storage = results_of(load_environment(environment))
    with results_in(storage):
        words = [
            write_word.with_options(refresh_cache=not is_written(storage, run_id, word), task_run_name=f"write {word}")
            .submit(run_id, environment, word)
            .result()
            for word in ("hello", "world")
        ]
        is_joined = is_written(storage, run_id, "hello_world")
        joined = join_words.with_options(refresh_cache=not is_joined).submit(run_id, environment, words).result()
    content = storage.read(joined)
    assert content is not None
    return content.decode()
