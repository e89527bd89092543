"""Runs that end promptly, and are still known to be alive while they last."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextvars import copy_context

import pytest
from prefect import flow
from prefect.context import FlowRunContext
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.flow_engine import run_flow
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_TASKS_DEFAULT_RETRIES,
    get_current_settings,
    temporary_settings,
)

from flows.hello_world import hello_world
from flows.tasks import prompt_end
from flows.tasks.prompt_end import ending_promptly, prompt
from flows.user_page_views import user_page_views

HEARTBEAT = "prefect.flow-run.heartbeat"


def frequency() -> int | None:
    """How often Prefect itself is to send heartbeats."""
    return get_current_settings().flows.heartbeat_frequency


@prompt
@flow(persist_result=False)
def asked() -> int | None:
    """Give what Prefect's settings say within the run."""
    with ending_promptly():
        return frequency()


def test_a_called_run_sends_heartbeats_until_it_ends(
    prefect_server: None,
) -> None:
    enough, started = threading.Event(), list[str]()

    @prompt
    @flow(persist_result=False)
    def waiting() -> bool:
        run = FlowRunContext.get()
        assert run is not None
        assert run.flow_run is not None
        started.append(f"prefect.flow-run.{run.flow_run.id}")
        assert prompt_end._every.get() == 30
        prompt_end._every.set(1)
        with ending_promptly():
            return enough.wait(60)

    async def beats() -> list[Event]:
        found = list[Event]()
        names = EventFilter(event=EventNameFilter(name=[HEARTBEAT]))
        async with get_events_subscriber(filter=names) as events:
            thread.start()
            async for event in events:
                # Flows of other tests end on this server, too.
                if event.resource.id in started:
                    found.append(event)
                if len(found) == 3:
                    return found
        return found

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        thread = threading.Thread(target=copy_context().run, args=(waiting,))
        found = asyncio.run(beats())
        enough.set()
        thread.join()
    assert len(started) == 1
    assert [one.resource.id for one in found] == started * 3
    # Prefect tells of the flow by the run's context.
    assert all("flow" in {other.role for other in one.related} for one in found)


@pytest.mark.parametrize("set_to", [180, None])
def test_prefect_sends_heartbeats_of_deployments_runs_alone(
    prefect_server: None, set_to: int | None
) -> None:
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: set_to}):
        assert asked() is None
        assert frequency() == set_to
        # As a worker runs a deployment's flow.
        assert run_flow(asked) == set_to


def test_a_called_run_has_its_callers_settings_but_for_the_heartbeats(prefect_server: None) -> None:
    @prompt
    @flow(persist_result=False)
    def told() -> dict[str, str]:
        return get_current_settings().to_environment_variables()

    with temporary_settings(
        {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30, PREFECT_TASKS_DEFAULT_RETRIES: 7}
    ):
        before = get_current_settings().to_environment_variables()
        within = told()
        assert get_current_settings().to_environment_variables() == before
    assert before.pop("PREFECT_FLOWS_HEARTBEAT_FREQUENCY") == "30"
    assert within == before
    assert within["PREFECT_TASKS_DEFAULT_RETRIES"] == "7"


def test_a_called_run_within_another_one_sends_heartbeats_as_often(prefect_server: None) -> None:
    @prompt
    @flow(persist_result=False)
    def inner() -> tuple[int | None, int | None]:
        return frequency(), prompt_end._every.get()

    @prompt
    @flow(persist_result=False)
    def outer() -> tuple[int | None, int | None]:
        return inner()

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        assert outer() == (None, 30)


def test_a_flow_with_other_options_is_prompt(prefect_server: None) -> None:
    again = asked.with_options(name="asked-again", retries=2)
    assert isinstance(again, prompt_end._PromptFlow)
    assert (again.name, again.retries) == ("asked-again", 2)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        assert again() is None


def test_both_flows_are_prompt() -> None:
    assert isinstance(hello_world, prompt_end._PromptFlow)
    assert isinstance(user_page_views, prompt_end._PromptFlow)


def test_python_does_not_search_what_was_imported_when_it_ends() -> None:
    code = (
        "import atexit, gc\n"
        # What is registered first is called last.
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000))\n"
        "from flows.tasks.prompt_end import ending_promptly\n"
        "for _ in range(2):\n"
        "    with ending_promptly():\n"
        "        print(gc.get_freeze_count())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["0", "0", "True"]
