"""The whole of Prefect in separate processes, started as the README says: a server, a work pool, a
worker, `blocks.register`, `prefect deploy --all` and deployment runs."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.support.model import model
from tests.support.s3_proxy import Answer, Forward, Request, intercepting
from tests.support.servers import free_port, stop, wait_until_it_answers
from tests.support.terminal import run_on_a_terminal
from tests.support.world import Services, World
from tests.test_user_page_views import FIRST, SECOND, bodies, fill

ROOT = Path(__file__).parent.parent
PREFECT = [str(Path(sys.executable).with_name("prefect")), "--no-prompt"]


@dataclass
class Cycle:
    """A running server and worker, and the environment variables for clients."""

    variables: dict[str, str]
    home: Path = Path()
    worker: psutil.Process | None = None

    def run(self, *command: str, check: bool = True, folder: Path = ROOT) -> str:
        """Run a command in the repository's folder, or another; return what it printed."""
        done = subprocess.run(command, cwd=folder, env=self.variables, capture_output=True, text=True, timeout=240)
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, output
        return output

    def prefect(self, *arguments: str, check: bool = True, folder: Path = ROOT) -> str:
        """Run Prefect's command line."""
        return self.run(*PREFECT, *arguments, check=check, folder=folder)

    @property
    def api(self) -> httpx.Client:
        """A client of the server's API."""
        return httpx.Client(base_url=self.variables["PREFECT_API_URL"], timeout=30)


@contextmanager
def _worker(variables: dict[str, str], home: Path, name: str) -> Iterator[psutil.Process]:
    """A worker of the pool, stopped at the end."""
    with (home / f"{name}.log").open("wb") as log:
        worker = subprocess.Popen(
            [*PREFECT, "worker", "start", "--pool", "user-page-views", "--name", name],
            env=variables,
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield psutil.Process(worker.pid)
        finally:
            stop(worker)


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cycle]:
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    url = f"http://127.0.0.1:{port}/api"
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        **{"PREFECT_HOME": str(home), "PREFECT_API_URL": url, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        **{"DO_NOT_TRACK": "1", "PREFECT_WORKER_QUERY_SECONDS": "1", "COLUMNS": "200"},
    }
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_it_answers(f"{url}/health", server)
            pool = ("work-pool", "create", "user-page-views", "--type", "process")
            Cycle(variables).prefect(*pool)
            with _worker(variables, home, "first") as worker:
                yield Cycle(variables, home, worker)
        finally:
            stop(server)


def _register(cycle: Cycle, services: Services, folder: Path, **changes: str) -> World:
    """A new world, registered as `staging` by the command line."""
    world = World.new(services)
    world.name = "staging"
    world.settings |= changes
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


@pytest.mark.long
def test_deployment_runs_take_ids_of_each_kind_and_a_failed_one_ends_with_its_sentence(
    cycle: Cycle, services: Services, tmp_path: Path
) -> None:
    world = _register(cycle, services, tmp_path)
    cycle.prefect("deploy", "--all")
    run = ("deployment", "run", "user-page-views/staging", "--watch")
    objects = fill(world, FIRST)
    cycle.prefect(*run, "-p", "id=2026-11-22")

    # A number arrives as an int; its digits are the id. Only new objects are parsed.
    objects |= fill(world, SECOND)
    cycle.prefect(*run, "-p", "id=123")
    assert world.rows() == model(objects).rows
    assert world.execute("SELECT id FROM pipeline_runs ORDER BY id") == [("123",), ("2026-11-22",)]

    # A number that browsers round is refused; quoted, it is an id like any other.
    output = cycle.prefect(*START, "user-page-views/staging", "-p", "id=20261122050000123456", check=False)
    assert "Validation failed for field 'id'" in output
    later = cycle.prefect(*START, "user-page-views/local", "-p", 'id="20261122050000123456"', "--start-in", "9 hours")
    assert "20261122050000123456" in later

    # Without an id, the date on which the run was due is its id, and part of its name.
    cycle.prefect(*run)
    newest = _newest(cycle)
    [(id,)] = world.execute("SELECT id FROM pipeline_runs ORDER BY published_at DESC LIMIT 1")
    [(today,)] = world.execute("SELECT (now() AT TIME ZONE 'UTC')::date::text")
    assert id <= today
    assert id == newest["expected_start_time"][: len("2026-11-22")]
    assert newest["name"] == f"{id} · staging"

    # A failed run's state and log show its error: one sentence, last, and no frame of any traceback.
    sentence = "There are no logs under PageViews/ or UserUpdates/"
    world.empty("LOGS")
    output = cycle.prefect(*run, "-p", "id=empty", check=False)
    failed = _newest(cycle)
    assert failed["state"]["type"] == "FAILED"
    assert failed["state"]["message"].startswith(sentence)
    assert "Flow run finished in state 'Failed'." in output
    with cycle.api as client:
        chosen = {"logs": {"flow_run_id": {"any_": [failed["id"]]}}, "sort": "TIMESTAMP_ASC"}
        log = [line["message"] for line in client.post("/logs/filter", json=chosen).json()]
    assert log[-1].startswith(f"Finished in state Failed('{sentence}")
    worker_log = (cycle.home / "first.log").read_text()
    assert sentence in worker_log
    for text in (output, "\n".join(log), worker_log):
        assert "Traceback" not in text
        assert "unexpected exception" not in text
    assert world.rows() == model(objects).rows


LABELS = {"id": "Run id", "environment": "Environment", "refresh": "Run a published id again"}


@pytest.mark.long
def test_deployments_have_the_schedule_limits_and_help_texts(cycle: Cycle) -> None:
    cycle.prefect("deploy", "--all")
    with cycle.api as client:
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
            assert schema["title"] == LABELS[parameter]


@pytest.mark.long
def test_on_a_terminal_deploying_asks_nothing_and_warns_of_nothing(cycle: Cycle) -> None:
    deploy = [PREFECT[0], "deploy", "--all"]
    for _ in range(2):
        exit_code, shown = run_on_a_terminal(deploy, cycle.variables, ROOT)
        assert exit_code == 0, shown
        assert shown.count("successfully created") == 6, shown
        assert "?" not in shown
        assert "warn" not in shown.lower()


def test_the_server_schedules_the_daily_run_of_production(cycle: Cycle) -> None:
    earliest = _next_five_o_clock()
    cycle.prefect("deploy", "--all")
    runs = _runs_of(cycle, "user-page-views/production", until="SCHEDULED")
    assert runs[0]["expected_start_time"] in (earliest, _next_five_o_clock())
    assert all(run["auto_scheduled"] for run in runs)
    assert all(run["parameters"] == {"environment": "production"} for run in runs)
    assert all(run["expected_start_time"].endswith("T05:00:00Z") for run in runs)
    assert len({run["expected_start_time"] for run in runs}) == len(runs) >= 3


def _next_five_o_clock() -> str:
    now = datetime.now(UTC)
    today = now.replace(hour=5, minute=0, second=0, microsecond=0)
    return f"{today + timedelta(days=now >= today):%Y-%m-%dT%H:%M:%SZ}"


def test_a_run_that_is_due_is_executed_in_the_folder_it_was_deployed_from(cycle: Cycle, tmp_path: Path) -> None:
    folder = _copy_of_the_repository(tmp_path / "another-folder")
    soon = datetime.now(UTC) + timedelta(seconds=20)
    each_minute = {"interval": 60, "anchor_date": soon.isoformat(), "timezone": "UTC"}
    with _deployed(cycle, folder, schedules=[each_minute]) as deployment:
        run = _runs_of(cycle, deployment, until="COMPLETED")[0]
    assert run["auto_scheduled"]
    id = run["expected_start_time"][: len("2026-11-22")]
    assert run["name"] == f"{id} · local"
    written = folder / ".local" / "storage" / "results" / id / "hello_world.txt"
    assert written.read_text() == "Hello World"


@pytest.mark.long
def test_a_worker_clones_the_code_as_the_readme_says(cycle: Cycle, tmp_path: Path) -> None:
    folder = _copy_of_the_repository(tmp_path / "origin")
    git = ("git", "-c", "user.name=tests", "-c", "user.email=tests@example.com")
    cycle.run("git", "init", "--quiet", "--initial-branch", "main", folder=folder)
    cycle.run("git", "add", ".", folder=folder)
    cycle.run(*git, "commit", "--quiet", "--message", "a copy", folder=folder)

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [step] = re.findall(r"```yaml\n(pull:.*?)```", readme, re.DOTALL)
    pull = yaml.safe_load(re.sub("https://.*", folder.as_uri(), step))["pull"]
    with _deployed(cycle, folder, pull=pull) as deployment:
        (folder / "flows" / ELSEWHERE).unlink()  # so it can only run what it cloned
        cycle.prefect(*START, deployment, "-p", "id=cloned", "--watch")
        [run] = _runs_of(cycle, deployment, until="COMPLETED")
    assert run["parameters"]["id"] == "cloned"


ELSEWHERE = "hello_elsewhere.py"


def _copy_of_the_repository(folder: Path) -> Path:
    """The code in another folder, with one module renamed.

    A run that finds this module runs the copy, not the installed project.
    """
    folder.mkdir()
    for package in ("flows", "blocks", "deployments"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "flows" / "hello_world.py").rename(folder / "flows" / ELSEWHERE)
    return folder


@contextmanager
def _deployed(cycle: Cycle, folder: Path, **changes: Any) -> Iterator[str]:
    """Deploy hello-world from a copy of the repository, with changes; deleted at the end."""
    settings = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    entrypoint = f"flows.{ELSEWHERE.removesuffix('.py')}.hello_world"
    one = settings["deployments"][0] | {"name": folder.name, "entrypoint": entrypoint}
    settings["deployments"] = [one | changes]
    (folder / "prefect.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    cycle.prefect("deploy", "--all", folder=folder)
    deployment = f"hello-world/{one['name']}"
    try:
        yield deployment
    finally:
        cycle.prefect("deployment", "delete", deployment)


def _runs_of(cycle: Cycle, deployment: str, *, until: str) -> list[dict[str, Any]]:
    """Wait until the deployment has runs in a state; return these, the earliest first."""
    end = time.monotonic() + 150
    flow, _, name = deployment.partition("/")
    with cycle.api as client:
        id = client.get(f"/deployments/name/{flow}/{name}").raise_for_status().json()["id"]
        query = {"deployments": {"id": {"any_": [id]}}, "sort": "EXPECTED_START_TIME_ASC"}
        while True:
            runs = client.post("/flow_runs/filter", json=query).raise_for_status().json()
            states = [run["state_type"] for run in runs]
            if until in states:
                return [run for run in runs if run["state_type"] == until]
            assert not {"FAILED", "CRASHED"} & set(states), runs
            assert time.monotonic() < end, states
            time.sleep(0.2)


@pytest.mark.long
def test_two_workers_run_two_deployments_of_one_environment_at_once(
    cycle: Cycle, services: Services, tmp_path: Path
) -> None:
    met = threading.Barrier(2)
    left = iter(range(2))

    def meet(request: Request, forward: Forward) -> Answer:
        # Neither stores its first result before the other has started too.
        if request.method == "PUT" and next(left, None) is not None:
            met.wait(120)
        return forward()

    with intercepting(services.s3_endpoint, meet) as url:
        world = _register(cycle, services, tmp_path, S3_ENDPOINT_URL=url)
        cycle.prefect("deploy", "--all")
        objects = fill(world, FIRST)
        runs = [
            ("user-page-views/staging", "-p", "id=one"),
            ("user-page-views/production", "-p", "id=two", "-p", "environment=staging"),
        ]
        with _worker(cycle.variables, cycle.home, "second"), ThreadPoolExecutor(2) as pool:
            started = [pool.submit(cycle.prefect, *START, *run, "--watch") for run in runs]
            for one in started:
                one.result()
    assert not met.broken
    assert world.rows() == model(objects).rows
    wanted = model(objects).page_views
    found = world.execute("SELECT id, page_views_lines, page_views_counted FROM pipeline_runs ORDER BY id")
    assert found == [(id, wanted.lines, wanted.counted) for id in ("one", "two")]


START = ("deployment", "run")


@contextmanager
def _held(cycle: Cycle, services: Services, folder: Path, id: str) -> Iterator[tuple[psutil.Process, str]]:
    """A deployment run that is held at its first log object: its process, and its flow run.

    At the end, the id is run again and nothing blocks it.
    """
    reached, go_on = threading.Event(), threading.Event()

    def hold(request: Request, forward: Forward) -> Answer:
        if request.method == "GET" and request.key.startswith("PageViews/"):
            reached.set()
            go_on.wait(120)
        return forward()

    with intercepting(services.s3_endpoint, hold) as url:
        world = _register(cycle, services, folder, S3_ENDPOINT_URL=url)
        fill(world, FIRST)
        cycle.prefect(*START, "user-page-views/staging", "-p", f"id={id}")
        try:
            assert reached.wait(120)
            assert cycle.worker is not None
            children = cycle.worker.children(recursive=True)
            [process] = [child for child in children if not child.children() and "python" in child.name()]
            yield process, _newest(cycle)["id"]
            go_on.set()
            _runs_again(cycle, world, id)
        finally:
            go_on.set()


def _newest(cycle: Cycle) -> dict[str, Any]:
    """The flow run that started last; the server has scheduled others for the next days."""
    query = {"flow_runs": {"start_time": {"is_null_": False}}, "sort": "START_TIME_DESC", "limit": 1}
    with cycle.api as client:
        found: dict[str, Any] = client.post("/flow_runs/filter", json=query).json()[0]
    return found


def _wait_for_state(cycle: Cycle, flow_run: str, state: str) -> None:
    end = time.monotonic() + 120
    with cycle.api as client:
        while (found := client.get(f"/flow_runs/{flow_run}").json()["state"]["name"]) != state:
            assert time.monotonic() < end, found


def _runs_again(cycle: Cycle, world: World, id: str) -> None:
    """The deployment takes the next run: the previous one holds no slot and no lock."""
    sessions = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'user_page_views'"
    assert world.execute(sessions) == []
    cycle.prefect(*START, "user-page-views/staging", "-p", f"id={id}", "--watch")
    assert world.rows() == model(bodies(FIRST)).rows


@pytest.mark.long
@pytest.mark.parametrize("state", ["Crashed", "Cancelled"])
def test_a_deployment_run_that_is_killed_or_cancelled_ends_and_the_next_one_runs(
    cycle: Cycle, services: Services, tmp_path: Path, state: str
) -> None:
    cycle.prefect("deploy", "--all")
    with _held(cycle, services, tmp_path, state) as (process, flow_run):
        if state == "Crashed":
            process.kill()
        else:
            cycle.prefect("flow-run", "cancel", flow_run)
        _wait_for_state(cycle, flow_run, state)
        psutil.wait_procs([process], 120)
        assert not process.is_running()
