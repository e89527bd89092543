"""One real cycle of Prefect, every part a process of its own, as the README has a user start them:
a server, a work pool, a worker, `blocks.register`, `prefect deploy --all` and deployment runs."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.model import model
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, fill

ROOT = Path(__file__).parent.parent
PREFECT = [str(Path(sys.executable).with_name("prefect")), "--no-prompt"]


@dataclass
class Cycle:
    """A running server and worker, and the environment variables that lead to them."""

    variables: dict[str, str]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the repository's folder; give what it printed."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.variables, capture_output=True, text=True, timeout=240
        )
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, output
        return output

    def prefect(self, *arguments: str, check: bool = True) -> str:
        """Run Prefect's command line."""
        return self.run(*PREFECT, *arguments, check=check)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_healthy(url: str, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 120
    with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
        while time.monotonic() < end:
            assert server.poll() is None, "the server ended"
            try:
                if client.get(f"{url}/health", timeout=5).is_success:
                    return
            except httpx.TransportError:
                continue
    raise AssertionError("the server did not become healthy")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cycle]:
    home, port = tmp_path_factory.mktemp("prefect"), _free_port()
    url = f"http://127.0.0.1:{port}/api"
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "COLUMNS": "200",
    }
    with (home / "server.log").open("wb") as log, (home / "worker.log").open("wb") as worker_log:
        server = subprocess.Popen(
            [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(url, server)
            cycle = Cycle(variables)
            cycle.prefect("work-pool", "create", "user-page-views", "--type", "process")
            worker = subprocess.Popen(
                [*PREFECT, "worker", "start", "--pool", "user-page-views"],
                env=variables,
                cwd=home,
                stdout=worker_log,
                stderr=subprocess.STDOUT,
            )
            try:
                yield cycle
            finally:
                _stop(worker)
        finally:
            _stop(server)


def _register(cycle: Cycle, services: Services, folder: Path) -> World:
    """A world of its own, registered as `staging` by the command line."""
    world = World.new(services)
    world.name = "staging"
    env_file = folder / "staging.env"
    lines = (f"{name}={value}\n" for name, value in world.settings.items())
    env_file.write_text("".join(lines), encoding="utf-8")
    cycle.run(sys.executable, "-m", "blocks.register", "staging", "--env-file", str(env_file))
    return world


def test_registered_deployed_and_run_by_a_worker_the_table_is_filled(
    cycle: Cycle, services: Services, tmp_path: Path
) -> None:
    world = _register(cycle, services, tmp_path)
    deployed = cycle.prefect("deploy", "--all")
    for flow in ("hello-world", "user-page-views"):
        for environment in ("local", "staging", "production"):
            assert f"{flow}/{environment}" in deployed

    objects = fill(world, FIRST)
    run = ("deployment", "run", "user-page-views/staging", "--watch")
    cycle.prefect(*run, "-p", "id=2026-11-22")
    assert world.rows() == model(objects).rows

    # A number arrives as an int; it is the id of its digits. The new objects alone are parsed.
    objects |= fill(world, SECOND)
    cycle.prefect(*run, "-p", "id=123")
    assert world.rows() == model(objects).rows
    assert world.execute("SELECT id FROM pipeline_runs ORDER BY id") == [("123",), ("2026-11-22",)]

    # Without an id, the run's date is its id.
    cycle.prefect(*run)
    [(id,)] = world.execute("SELECT id FROM pipeline_runs ORDER BY published_at DESC LIMIT 1")
    [(today,)] = world.execute("SELECT (now() AT TIME ZONE 'UTC')::date::text")
    assert id <= today
    assert len(id) == len("2026-11-22")

    # A run that fails says so to whoever watches it.
    world.empty("LOGS")
    output = cycle.prefect(*run, "-p", "id=empty", check=False)
    assert "There is no log under PageViews/ nor under UserUpdates/" in output + _state(cycle)
    assert world.rows() == model(objects).rows


def _state(cycle: Cycle) -> str:
    with httpx.Client(base_url=cycle.variables["PREFECT_API_URL"]) as client:
        runs = client.post("/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1}).json()
    assert runs[0]["state"]["type"] == "FAILED"
    return str(runs[0]["state"]["message"])


def test_deployments_have_the_schedule_limits_and_help_texts(cycle: Cycle) -> None:
    cycle.prefect("deploy", "--all")
    with httpx.Client(base_url=cycle.variables["PREFECT_API_URL"]) as client:
        found = client.post("/deployments/filter", json={"limit": 50}).json()
        flows = {flow["id"]: flow["name"] for flow in client.post("/flows/filter", json={}).json()}
    by_name = {f"{flows[one['flow_id']]}/{one['name']}": one for one in found}
    assert len(by_name) == 6
    for name, one in by_name.items():
        scheduled = name == "user-page-views/production"
        crons = [s["schedule"]["cron"] for s in one["schedules"] if s["active"]]
        assert crons == (["0 5 * * *"] if scheduled else []), name
        assert one["global_concurrency_limit"]["limit"] == 1
        assert one["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        assert one["tags"] == name.split("/")
        assert one["description"]
        assert one["parameters"] == {"environment": one["name"]}
        for parameter, schema in one["parameter_openapi_schema"]["properties"].items():
            assert schema.get("description"), (name, parameter)
