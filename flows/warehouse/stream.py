"""What is written by one thread and read by another, while it is made."""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from threading import Event
from typing import BinaryIO

_AHEAD = 4

LIMITS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "256MB",
    "threads": 1,
    # The system's own cache has the files already.
    "enable_external_file_cache": "false",
}
"""Of a DuckDB that reads what is to be copied."""


@contextmanager
def streamed(make: Callable[[BinaryIO], object]) -> Iterator[BinaryIO]:
    """A stream of what `make` writes in a thread; whole only when the context has ended well."""
    reading, writing = os.pipe()

    def made() -> None:
        with open(writing, "wb", buffering=2**20) as stream:
            make(stream)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(made)
        # Closed before the pool is waited for: or what nobody reads any more would wait.
        with open(reading, "rb") as stream:
            yield stream
        done.result()


class _Blocks(io.RawIOBase):
    """Blocks of a queue as a stream, to None."""

    def __init__(self, queue: "Queue[bytes | None]") -> None:
        self._queue = queue

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next block, whatever its size: each copy, and each wait for Python's global lock
        between two blocks, is time in which the server has nothing to do."""
        block = self._queue.get()
        if block is None:
            self._queue.put(None)
            return b""
        return block


@contextmanager
def made_ahead(blocks: Iterator[bytes]) -> Iterator[io.RawIOBase]:
    """A stream of blocks that a thread makes, some ahead; whole only when the context ended well.

    Unlike a pipe it holds enough for the reader to go on while the next rows are looked up.
    """
    queue, left = Queue["bytes | None"](_AHEAD), Event()

    def make() -> None:
        try:
            for block in blocks:
                queue.put(block)
                if left.is_set():
                    return
        finally:
            if not left.is_set():
                queue.put(None)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(make)
        try:
            yield _Blocks(queue)
        finally:
            left.set()
            # One place is enough for the one block that may wait for it.
            with suppress(Empty):
                queue.get_nowait()
        done.result()
