"""The flow hello-world: three steps, each with an output that is its proof."""

from flows.collecting import nothing_collected
from flows.tasks.prefect_sooner import prefect_sooner

with nothing_collected(), prefect_sooner():
    from prefect import flow

    from flows.run_id import check_id
    from flows.tasks.caching import results_in
    from flows.tasks.environments import environment_of, keeping_environments
    from flows.tasks.places import results_of
    from flows.tasks.prompt_end import ending_promptly, prompt
    from flows.tasks.runs import due
    from flows.tasks.words import is_made, join_words, write_word


@prompt
@flow(name="hello-world", persist_result=False, validate_parameters=False)
def hello_world(id: str | int | None = None, environment: str = "local") -> str:
    """Write "Hello" and "World" into two files, and both into a third.

    A rerun of an id does nothing; a file that was deleted is made again.

    Args:
        id: The run's key: 1 to 128 letters, digits or . _ : + = @ -. Default: the run's date.
        environment: The environment whose results storage takes the files, such as local.
    """
    run_id = check_id(id, due())
    with ending_promptly(), keeping_environments():
        storage = results_of(environment_of(environment))
        with results_in(storage):
            words = [
                write_word.with_options(refresh_cache=not is_made(storage, run_id, word))(
                    run_id, environment, word
                )
                for word in ("hello", "world")
            ]
            is_joined = is_made(storage, run_id, "hello_world")
            joined = join_words.with_options(refresh_cache=not is_joined)(
                run_id, environment, words
            )
        content = storage.read(joined)
    assert content is not None
    return content.decode()
