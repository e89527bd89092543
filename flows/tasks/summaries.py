"""Summaries in results storage: what a run publishes, whole or as additions to another run's."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.logs.extracts import Scope, StoredFile
from flows.logs.sealed import seal, unseal
from flows.storage.results import ResultsStorage
from flows.tasks.extracts import fetch
from flows.tasks.scratch import keep_file

VERSION = 4
"""Of what a summary is: part of its name."""

FILES = ("rows", "urls", "emails", "latest", "rejects")

Summary = dict[str, Any]
"""A summary, JSON-able.

`manifest`: its name in results storage; `version`; `scope`: of the extracts; `base`: the listing of
the run to whose tables it adds (None: it holds all); a member for each of `FILES`, a `StoredFile`
or None where there is nothing in it; `count`: of the table's rows, where it holds all; `page_views`
and `user_updates`: the accounts; `healed`: what had to be made anew, in sentences.
"""


def summary_name(scope: Scope, fingerprint: str, base: str | None) -> str:
    """Where the summary of these inputs lies, as additions to a base or whole."""
    key = f"{scope.folder}{base or ''}/{fingerprint}".encode()
    return f"summaries/v{VERSION}/{hashlib.sha256(key).hexdigest()[:40]}.json"


def read_summary(storage: ResultsStorage, name: str) -> Summary | None:
    """The stored summary; None where it is missing or damaged."""
    return unseal(storage.read(name))


def store_summary(
    storage: ResultsStorage, name: str, files: Mapping[str, Path | None], values: Summary
) -> Summary:
    """Store a summary, the document last.

    Args:
        storage: The results storage.
        name: Of the summary.
        files: Of `FILES` those that there are.
        values: Its other members.
    """
    summary: Summary = {"manifest": name, "version": VERSION, "base": None, "count": None}
    summary |= {"healed": [], **dict.fromkeys(FILES), **values}
    for part, path in files.items():
        if path is not None:
            stored = StoredFile.of(path, f"{name.removesuffix('.json')}.{part}")
            storage.upload(path, stored.name)
            keep_file(path, stored.name)
            summary[part] = asdict(stored)
    storage.write(name, seal(summary))
    return summary


def fetch_file(storage: ResultsStorage, summary: Summary, part: str, folder: Path) -> Path | None:
    """A summary's file, or None where there is nothing in it.

    Raises:
        ListAgain: It is gone or damaged.
    """
    if summary[part] is None:
        return None
    file = StoredFile(**summary[part])
    return fetch(storage, [(summary["manifest"], file)], folder)[file.name]
