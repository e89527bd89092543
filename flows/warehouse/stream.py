"""What is written by one thread and read by another, while it is made."""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from threading import Event
from typing import Any, BinaryIO

_AHEAD = 8

LIMITS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "256MB", "threads": 1}
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

    def __init__(self, queue: "Queue[Any]") -> None:
        self._queue = queue
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._block:
            block = self._queue.get()
            if block is None:
                self._queue.put(None)
                return 0
            self._block = memoryview(block)
        some = self._block[: len(buffer)]
        buffer[: len(some)] = some
        self._block = self._block[len(some) :]
        return len(some)


@contextmanager
def made_ahead(blocks: Iterator[Any]) -> Iterator[io.RawIOBase]:
    """A stream of blocks that a thread makes, some ahead; whole only when the context ended well.

    Unlike a pipe it holds enough for the reader to go on while the next rows are looked up.
    """
    queue, left = Queue[Any](_AHEAD), Event()

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
