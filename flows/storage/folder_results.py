"""Results storage in a folder."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.errors import StorageError
from flows.storage.results import Stored

_PART_KEPT = timedelta(days=1)  # longer than writing any file takes


class FolderResults:
    """Results storage in a folder of this machine; `ResultsStorage` describes the methods."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self, prefix: str) -> dict[str, Stored]:
        """The names that start with the prefix; half-written files of killed runs are deleted."""
        # Only the folder part of the prefix is walked.
        base = self._root / prefix.rpartition("/")[0]
        found = {}
        with files_explained("list {} in", prefix, self._root):
            # Path.rglob and os.walk skip folders that they may not read.
            for folder, _, files in os.walk(base, onerror=_raise_unless_missing):
                for path in (Path(folder, file) for file in files):
                    name = path.relative_to(self._root).as_posix()
                    if not name.startswith(prefix):
                        continue
                    stat = path.stat()
                    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
                    if not path.name.startswith("."):
                        tag = f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
                        found[name] = Stored(stat.st_size, modified, tag)
                    elif modified < datetime.now(UTC) - _PART_KEPT:
                        path.unlink(missing_ok=True)
        return found

    def read(self, name: str) -> bytes | None:
        with files_explained("read {} from", name, self._root):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        self._replace(name, lambda path: path.write_bytes(content))

    def delete(self, name: str) -> None:
        with files_explained("delete {} from", name, self._root):
            (self._root / name).unlink(missing_ok=True)

    def upload(self, source: Path, name: str) -> None:
        self._replace(name, lambda path: shutil.copyfile(source, path))

    def download(self, name: str, target: Path) -> bool:
        with files_explained("read {} from", name, self._root):
            try:
                shutil.copyfile(self._root / name, target)
            except FileNotFoundError:
                return False
        return True

    def _replace(self, name: str, make: Callable[[Path], object]) -> None:
        target = self._root / name
        part = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}")
        with files_explained("write {} to", name, self._root):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                make(part)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)


@contextmanager
def files_explained(action: str, name: str, folder: Path) -> Iterator[None]:
    """Turn an error of the file system into a `StorageError` that names the folder.

    Args:
        action: What was tried, with a place for the name, such as `read {} from`.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Cannot {action.format(repr(name))} the results storage in {str(folder)!r}: "
            f"{error.strerror or type(error).__name__}. Free space or correct the folder's permissions, and run again."
        ) from None


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
