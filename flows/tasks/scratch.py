"""Scratch folders, deleted when their work ends; the next run deletes those of killed processes."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from flows.errors import SettingsError

_PREFIX = "user-page-views-scratch-"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """An empty folder; a lock on it, which ends with the process, shows that it is in use.

    Raises:
        SettingsError: Folders cannot be locked there.
    """
    for _ in range(10):
        folder = Path(mkdtemp(prefix=_PREFIX, dir=parent))
        lock = _locked(folder)
        # Another run's `sweep_scratch` may delete the folder between these two lines.
        if lock is not None and folder.exists():
            break
        shutil.rmtree(folder, ignore_errors=True)
    else:
        raise SettingsError(f"Folders in {str(parent)!r} cannot be locked: name one on a disk (DUCKDB_SPILL_FOLDER).")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch(parent: Path) -> None:
    """Delete the scratch folders of this user whose processes have ended."""
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The descriptor of the folder, locked; None if it is gone, in use, or another user's."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
