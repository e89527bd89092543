"""Flow runs, and their processes, that end promptly.

Prefect's thread of heartbeats, by which it tells a run that has crashed, looks once a second
whether the run has ended, and the run waits for it. And Python, before it ends, looks for what is
not used any more in all that was ever imported, several times.
"""

import atexit
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

from prefect import Flow
from prefect.context import FlowRunContext, SettingsContext, get_settings_context
from prefect.events import emit_event
from prefect.settings import get_current_settings

P = ParamSpec("P")
R = TypeVar("R")

_every: ContextVar[int | None] = ContextVar("every", default=None)


class _PromptFlow(Flow[P, R]):
    """A flow that, called from Python, has no heartbeats of Prefect's."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        # Within another such flow the settings are without heartbeats, and its own count.
        token = _every.set(get_current_settings().flows.heartbeat_frequency or _every.get())
        try:
            with _no_heartbeats_of_prefects():
                return super().__call__(*arguments, **named)
        finally:
            _every.reset(token)

    def with_options(self, **options: Any) -> Flow[P, R]:
        """As Prefect's, which makes a flow of its own class."""
        return prompt(super().with_options(**options))

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """As Prefect's, which loads FastAPI for it: a tenth of a second for what is plain."""
        if all(value is None or type(value) in (str, int, bool) for value in parameters.values()):
            return dict(parameters)
        return super().serialize_parameters(parameters)


@contextmanager
def _no_heartbeats_of_prefects() -> Iterator[None]:
    """As `temporary_settings`, which makes all of Prefect's settings anew for one: 0.03 s."""
    context = get_settings_context()
    flows = context.settings.flows.model_copy(update={"heartbeat_frequency": None})
    settings = context.settings.model_copy(update={"flows": flows})
    with SettingsContext(profile=context.profile, settings=settings):
        yield


def prompt(flow: Flow[P, R]) -> Flow[P, R]:
    """Let the calls of a flow send their heartbeats themselves, within `ending_promptly`.

    Runs of a deployment are not calls: Prefect sends their heartbeats.
    """
    # Prefect's decorator stays in the source, where Prefect reads it to deploy the flow.
    flow.__class__ = _PromptFlow
    return flow


@contextmanager
def ending_promptly() -> Iterator[None]:
    """Within a flow: send heartbeats, as often as Prefect's settings say, unless Prefect does."""
    # Once is enough; and what a process still holds when it ends goes with it.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    every, run = _every.get(), FlowRunContext.get()
    if every is None or run is None or run.flow_run is None:
        yield
        return
    flow_run, ended = run.flow_run, threading.Event()
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
        "prefect.resource.name": flow_run.name,
    }

    def beat() -> None:
        while True:
            emit_event("prefect.flow-run.heartbeat", resource)
            if ended.wait(every):
                return

    # A thread knows nothing of this one's settings by itself.
    thread = threading.Thread(target=copy_context().run, args=(beat,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
