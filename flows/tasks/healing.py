"""Healing within a run: what was listed or stored and has changed since is listed again."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from prefect import get_run_logger

from flows.errors import ListAgain

P = ParamSpec("P")
Stage = dict[str, Any]
"""A stage's result; with a member `again`, why the run must list the logs again."""

MOST_LISTINGS = 4


def listing_again(stage: Callable[P, Stage]) -> Callable[P, Stage]:
    """A stage that ends with `again` where it would raise `ListAgain`."""

    @functools.wraps(stage)
    def heard(*args: P.args, **kwargs: P.kwargs) -> Stage:
        try:
            return stage(*args, **kwargs)
        except ListAgain as reason:
            return again(reason)

    return heard


def again(reason: ListAgain, **result: Any) -> Stage:
    """The result of a stage that must be done again after a new listing."""
    get_run_logger().warning(f"{reason} The logs are listed again.")
    return {"again": str(reason), **result}


def check_again(*stages: Stage) -> None:
    """Go on with a run, unless one of its stages asks to list again.

    Raises:
        ListAgain: The first stage that asks, and why.
    """
    for stage in stages:
        if "again" in stage:
            raise ListAgain(stage["again"])
