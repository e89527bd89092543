"""Scratch folders: they end with the work in them, those of killed processes with the next run."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import gettempdir, mkdtemp

_PREFIX = "user-page-views-scratch-"
_kept: ContextVar[Path | None] = ContextVar("kept", default=None)


@contextmanager
def scratch_folder(within: Path | None = None) -> Iterator[Path]:
    """An empty folder; a lock on it, which ends with the process, tells that it is in use.

    Args:
        within: Where it lies; by default among the machine's temporary files.
    """
    while True:
        folder = Path(mkdtemp(prefix=_PREFIX, dir=within))
        lock = _locked(folder)
        # A sweep may have come between the two.
        if lock is not None and folder.exists():
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def keeping_files() -> Iterator[None]:
    """Within a flow: files that one task makes are kept for the next ones of the same process."""
    with scratch_folder() as folder:
        token = _kept.set(folder)
        try:
            yield
        finally:
            _kept.reset(token)


def keep_file(file: Path, name: str) -> None:
    """Keep a file of results storage that was just stored; it is moved."""
    folder = _kept.get()
    if folder is not None:
        file.rename(folder / _flat(name))


def kept_file(name: str) -> Path | None:
    """A file of results storage that this process has stored itself, where it was kept."""
    folder = _kept.get()
    if folder is None:
        return None
    file = folder / _flat(name)
    return file if file.exists() else None


def _flat(name: str) -> str:
    return name.replace("/", "-")


def sweep_scratch(within: Path | None = None) -> None:
    """Delete the scratch folders of this user whose processes have ended."""
    for folder in (within or Path(gettempdir())).glob(f"{_PREFIX}*"):
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The descriptor of a folder that is locked now, or None where that is not for us."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone, or another user's
        return None
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
