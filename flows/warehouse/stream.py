"""What is written by one thread and read by another, while it is made."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

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
