"""What a run loads while it lists the logs: later one core would wait for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def loading_ahead() -> Iterator[None]:
    """Within a flow that has work to do: a thread loads what parses, counts and publishes.

    What goes wrong in it is met again, and told, where it is needed.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(load)
        yield


def load() -> None:
    """Load all that the stages need."""
    import flows.tasks.make_summary
    import flows.tasks.publish_summary  # noqa: F401
    from flows.logs.rehearsal import rehearse
    from flows.tasks.scratch import scratch_folder
    from flows.warehouse.views_stream import ViewFiles, views_stream

    with scratch_folder() as scratch:
        made = rehearse(scratch)
        with views_stream(ViewFiles(made.table, made.urls, made.latest)) as stream:
            while stream.read():
                pass
