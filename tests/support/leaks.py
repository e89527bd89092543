"""A search for secrets: the forms in which one can be written, and the places to search."""

from __future__ import annotations

import base64
import html
import json
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb
import httpx
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_DATABASE_CONNECTION_URL

_SECONDS = 60
_TESTS = Path(__file__).parents[1]


def forms(value: str) -> Iterator[bytes]:
    """The forms of a value: plain, in a URL, JSON, Python, HTML, base64 and hex."""
    for text in (
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
    ):
        yield text.encode()
    raw = value.encode()
    yield raw.hex().encode()
    for before in range(3):  # at any offset in the encoded text; the ends depend on the rest
        whole = base64.b64encode(b"\0" * before + raw)
        yield whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]


def found(known: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """The known values that the places contain, in any form."""
    return [
        f"{name} in {place}"
        for name, value in known.items()
        for place, content in places.items()
        if any(form in content for form in forms(value))
    ]


def texts_of_error(error: BaseException) -> str:
    """All texts of an error and of every error that it refers to, hidden ones too."""
    told, waiting, seen = [], [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        told += [str(one), repr(one), repr(one.args), repr(vars(one)), *traceback.format_exception(one)]
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(told)


def locals_of_error(error: BaseException) -> str:
    """The traceback with each frame's variables, as error reporting tools send it.

    The test's own frames, which come first and contain the secrets, are omitted.
    """
    frames = error.__traceback__
    while frames is not None and Path(frames.tb_frame.f_code.co_filename).is_relative_to(_TESTS):
        frames = frames.tb_next
    told = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    return "".join(told.format())


def parquet_texts(folder: Path, files: Mapping[str, bytes]) -> bytes:
    """The content of Parquet files: every value of every column, and the metadata."""
    told = []
    with duckdb.connect() as connection:
        for number, content in enumerate(files.values()):
            path = folder / f"{number}.parquet"
            path.write_bytes(content)
            for function in ("read_parquet", "parquet_kv_metadata", "parquet_metadata"):
                rows = connection.execute(f"SELECT * FROM {function}(?)", [str(path)]).fetchall()
                told += ["\n".join(str(value) for value in row) for row in rows]
    return "\n".join(told).encode()


def prefect_database() -> bytes:
    """The bytes of the test server's database and its write-ahead log."""
    _, _, path = PREFECT_SERVER_DATABASE_CONNECTION_URL.value().partition("///")
    files = sorted(Path(path).parent.glob(f"{Path(path).name}*"))
    assert {Path(path).name, f"{Path(path).name}-wal"} <= {file.name for file in files}
    return b"\n".join(file.read_bytes() for file in files)


class Told:
    """What the Prefect server's API says about flow runs, chosen by name."""

    def __init__(self, names: Iterable[str], since: str) -> None:
        """Read about the ended flow runs of these names; the first started at `since` (ISO 8601)."""
        wanted, self._since = set(names), since
        with httpx.Client(base_url=PREFECT_API_URL.value(), timeout=60) as self._client:
            end = time.monotonic() + _SECONDS
            while True:
                APILogWorker.drain_all(timeout=5)
                EventsWorker.drain_all(timeout=5)
                self._ask(wanted)
                if self._is_whole(wanted):
                    return
                assert time.monotonic() < end, "the server does not know all runs"

    def _ask(self, wanted: set[str]) -> None:
        chosen = {"flow_runs": {"name": {"any_": sorted(wanted)}}}
        self.runs = self._all("flow_runs", chosen)
        ids = [run["id"] for run in self.runs]
        of_runs = {"flow_run_id": {"any_": ids}}
        self.tasks = self._all("task_runs", chosen)
        self.logs = self._all("logs", {"logs": of_runs})
        self.artifacts = self._all("artifacts", {"artifacts": of_runs})
        self.states = [
            *(self._get("flow_run_states", flow_run_id=id) for id in ids),
            *(self._get("task_run_states", task_run_id=run["id"]) for run in self.tasks),
        ]
        self.events = list(self._events())

    def _is_whole(self, wanted: set[str]) -> bool:
        ended = {log["flow_run_id"] for log in self.logs if "Finished in state" in log["message"]}
        runs = {run["id"]: run["name"] for run in self.runs}
        terminal = ("prefect.flow-run.Completed", "prefect.flow-run.Failed")
        heard = {
            event["resource"]["prefect.resource.id"].rpartition(".")[2]
            for event in self.events
            if event["event"] in terminal
        }
        return set(runs.values()) == wanted and runs.keys() <= ended and runs.keys() <= heard

    def _get(self, what: str, **parameters: Any) -> Any:
        return self._client.get(f"/{what}/", params=parameters).raise_for_status().json()

    def _all(self, what: str, chosen: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            body = {**chosen, "limit": 200, "offset": len(rows)}
            page = self._client.post(f"/{what}/filter", json=body).raise_for_status().json()
            rows += page
            if len(page) < 200:
                return rows

    def _events(self) -> Iterator[dict[str, Any]]:
        body = {"filter": {"occurred": {"since": self._since}}, "limit": 50}
        page = self._client.post("/events/filter", json=body).raise_for_status().json()
        while True:
            yield from page["events"]
            if page["next_page"] is None:
                return
            page = self._client.get(page["next_page"]).raise_for_status().json()

    def places(self) -> dict[str, bytes]:
        """The server's answers, by kind."""
        kinds = {
            "flow runs": self.runs,
            "task runs": self.tasks,
            "logs": self.logs,
            "states": self.states,
            "artifacts": self.artifacts,
            "events": self.events,
        }
        return {name: json.dumps(rows, ensure_ascii=False).encode() for name, rows in kinds.items()}
