"""No command of the project connects to anything but this machine: Prefect's telemetry is off."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.programs import ROOT, python
from tests.support.terminal import run_on_a_terminal
from tests.support.world import Services, World

# Python imports this at the start of each process. It writes down what a process connects to or looks up elsewhere.
SITECUSTOMIZE = """
import os, sys

def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1"):
        with open(os.environ["TRIED"], "a") as tried:
            tried.write(f"{host} {sys.argv}\\n")
        raise ConnectionRefusedError(f"not in a test: {host}")

sys.addaudithook(watch)
"""
TELLS = ("PREFECT_", "CI", "GITHUB_", "GITLAB_", "DO_NOT_TRACK")
"""How the names of variables begin that would switch telemetry off, too."""
HELLO = "from flows.hello_world import hello_world; hello_world(id='1', environment='local')"
SETTINGS = "from prefect.settings import get_current_settings as g; print(g().server.analytics_enabled)"


def test_prefects_own_commands_read_in_this_folder_that_telemetry_is_off() -> None:
    without = [name for name in os.environ if name.startswith("PREFECT_")]
    assert python("-c", SETTINGS, without=without).stdout.strip() == "False"


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ["-m", "blocks.register", "new"],
        ["-m", "deployments.query", "SELECT 1"],
        ["-m", "deployments.demo"],
        pytest.param(["-c", HELLO], id="flow"),
    ],
    ids=lambda command: command[1],
)
def test_a_newcomers_first_command_on_a_terminal_connects_to_this_machine_alone(
    services: Services, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    if command[0] == "-c":  # a program that is no command of the project: in the project's folder
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(TELLS)}
    variables |= World.new(services).settings
    variables |= {"TRIED": str(tmp_path / "tried"), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    variables |= {"PREFECT_HOME": str(tmp_path / "home")}
    exit_code, shown = run_on_a_terminal([sys.executable, *command], variables, tmp_path, seconds=240)
    assert exit_code == 0, shown
    assert not (tmp_path / "tried").exists(), (tmp_path / "tried").read_text()
    assert command[0] == "-c" or "usage data" not in shown
