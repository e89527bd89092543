"""Small log objects, which are read while those before them are parsed: most of it is waiting."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from io import BytesIO
from typing import BinaryIO

from flows.logs.objects import LogObject
from flows.storage.logs_bucket import LogsBucket

AT_ONCE = 8


@contextmanager
def reading_ahead(
    logs: LogsBucket, unit: Sequence[LogObject]
) -> Iterator[Callable[[LogObject], BinaryIO]]:
    """Within: what opens the objects of a unit, each once; `AT_ONCE` of several are read at once.

    Args:
        logs: The bucket.
        unit: One object of any size, or several that are small together.

    Raises:
        ObjectChanged: The bucket no longer holds an object's version; raised where it is opened,
            or by a read.
        StorageError: The bucket cannot be read; raised likewise.
    """

    def opened(item: LogObject) -> BinaryIO:
        return logs.opened(item.key, item.etag, item.size)

    def read(item: LogObject) -> bytes:
        with opened(item) as stream:
            return stream.read()

    if len(unit) == 1:
        yield opened
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # The pool's threads know nothing of this one's context, in which the run may be stopped.
        coming = {item: pool.submit(copy_context().run, read, item) for item in unit}
        try:
            yield lambda item: BytesIO(coming.pop(item).result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
