"""How long a thread may keep Python's global lock while others wait for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from flows.tasks.switching import switching_often


@pytest.fixture
def interval() -> Iterator[float]:
    """The interval before, which a test that fails puts back too."""
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


def test_a_flow_hands_the_lock_over_sooner_and_leaves_the_interval_as_it_was(
    interval: float,
) -> None:
    with switching_often():
        assert sys.getswitchinterval() < interval
    assert sys.getswitchinterval() == interval


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_of_flows_at_once_the_last_to_end_leaves_the_interval_as_it_was(
    interval: float, first_to_end: int
) -> None:
    flows = [ExitStack(), ExitStack()]
    for one in flows:
        one.enter_context(switching_often())
    flows[first_to_end].close()
    assert sys.getswitchinterval() < interval
    flows[1 - first_to_end].close()
    assert sys.getswitchinterval() == interval


def test_an_interval_of_the_callers_that_is_shorter_stays(interval: float) -> None:
    sys.setswitchinterval(interval / 100)
    shorter = sys.getswitchinterval()
    with switching_often():
        assert sys.getswitchinterval() == shorter


def test_the_interval_is_put_back_after_a_failure(interval: float) -> None:
    with pytest.raises(ValueError, match="broken"), switching_often():
        raise ValueError("broken")
    assert sys.getswitchinterval() == interval
