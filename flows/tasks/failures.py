"""A run that fails says why in one sentence, without frames: only a bug is shown with its traceback."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect.context import FlowRunContext, TaskRunContext
from prefect.states import Failed, State

from flows.errors import PipelineError

P = ParamSpec("P")
R = TypeVar("R")


class _Raised(State[Any]):
    # A failed state that raises its error in one frame, where Prefect shows nine of its own.
    def result(self, raise_on_failure: bool = True, **_: Any) -> Any:  # type: ignore[override]
        error: Any = getattr(self.data, "result", self.data)
        if raise_on_failure:
            raise error.with_traceback(None) from None
        return error


class _Told(State[Any]):
    # The failed state of a deployment's run. Nobody waits there for the error, and Prefect would log its frames last.
    def result(self, **_: Any) -> Any:  # type: ignore[override]
        return None


def or_failed(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do the work of a flow or a task; if it raises one of our errors, return it as a failed state.

    Prefect then logs the sentence without a traceback; the caller, or who asks for the result, gets the error raised.
    """
    try:
        return work(*args, **kwargs)
    except PipelineError as error:
        flow = FlowRunContext.get()
        is_deployed = TaskRunContext.get() is None and flow and flow.flow_run and flow.flow_run.deployment_id
        state = Failed(_Told if is_deployed else _Raised, message=str(error), data=error.with_traceback(None))
        return cast(R, state)
