"""Download and decompress log objects while the previous unit is extracted."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from shutil import rmtree

from flows.logs.decompress import compression_of, decompressed, within_ratio
from flows.logs.objects import LogObject
from flows.logs.plain_file import PlainFile, write_plain_file
from flows.storage.logs_bucket import LogsBucket
from flows.storage.objects import ObjectStream

# Requests at the same time: with small objects, most of the time is waiting.
_AT_ONCE = 8

PlainUnit = tuple[list[LogObject], list[PlainFile]]


def read_ahead(logs: LogsBucket, units: Sequence[list[LogObject]], ratio: int, scratch: Path) -> Iterator[PlainUnit]:
    """The plain files of each unit; those of the next unit are written at the same time.

    Args:
        ratio: How many times its stored size an object may expand to.
        scratch: A folder; a unit's files are deleted when the next unit is asked for.

    Raises:
        ObjectChanged: The bucket no longer contains an object's version.
        StorageError: The bucket cannot be read.
        LogsError: An object cannot be decompressed.
    """
    context = copy_context()
    with ThreadPoolExecutor(_AT_ONCE) as pool:

        def submit(number: int) -> list[Future[PlainFile]]:
            folder = scratch / f"unit-{number}"
            folder.mkdir()
            return [
                pool.submit(context.copy().run, _write, logs, item, ratio, folder / f"{place}.plain")
                for place, item in enumerate(units[number])
            ]

        try:
            ahead = submit(0) if units else []
            for number, unit in enumerate(units):
                files, ahead = ahead, submit(number + 1) if number + 1 < len(units) else []
                yield unit, [file.result() for file in files]
                rmtree(scratch / f"unit-{number}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write(logs: LogsBucket, item: LogObject, ratio: int, path: Path) -> PlainFile:
    def work(stream: ObjectStream) -> PlainFile:
        compression = compression_of(item.key, stream.content_encoding)
        blocks = decompressed(stream, item.key, compression)
        return write_plain_file(within_ratio(blocks, item.key, item.size, ratio), path)

    return logs.read(item.key, item.etag, item.size, work)
