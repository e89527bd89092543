"""A folder and variables in which a run starts as in a fresh container, without Docker."""

import os
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory

from tests.benchmarks.timed import ROOT

_CODE = ("flows", "blocks", "deployments", "tests/benchmarks")


@contextmanager
def fresh_container(variables: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """A read-only copy of the code, and variables that lead to an empty home and temporary folder.

    The copy has no bytecode, and none can be written; the installed packages have theirs, but all
    files of Python and of the packages must be read from the disk again.
    """
    with TemporaryDirectory(prefix="user-page-views-container-") as temporary:
        code, home, scratch = (Path(temporary, name) for name in ("code", "home", "tmp"))
        for name in _CODE:
            copytree(ROOT / name, code / name, ignore=ignore_patterns("__pycache__"))
        for path in sorted(code.rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
        home.mkdir()
        scratch.mkdir()
        _forget_cached_files()
        # Without XDG_CACHE_HOME and the like, caches are below HOME.
        kept = {name: value for name, value in variables.items() if not name.startswith("XDG_")}
        folders = {"HOME": str(home), "PREFECT_HOME": f"{home}/.prefect", "TMPDIR": str(scratch)}
        yield code, {**kept, **folders, "PYTHONDONTWRITEBYTECODE": "1"}


def _forget_cached_files() -> None:
    """Drop Python and its packages from the operating system's file cache, if it lets us.

    All of the cache (`/proc/sys/vm/drop_caches`) would include PostgreSQL's files, and a database
    does not start with the container.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for folder in {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}:
        for path in Path(folder).rglob("*"):
            if path.is_file():
                file = os.open(path, os.O_RDONLY)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)
