"""When Python may search for objects that nobody uses."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from flows.collecting import nothing_collected, older_objects_left_alone


def test_while_modules_are_loaded_nothing_is_searched_for() -> None:
    assert gc.isenabled()
    with nothing_collected():
        assert not gc.isenabled()
        with nothing_collected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_after_a_failure_python_searches_again() -> None:
    with pytest.raises(ImportError), nothing_collected():
        raise ImportError
    assert gc.isenabled()


def test_a_caller_who_wants_no_search_has_none_afterwards() -> None:
    gc.disable()
    try:
        with nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def _found(item: object, generation: int | None = None) -> bool:
    """Whether a search through a generation, or through all, looks at this object."""
    return any(one is item for one in gc.get_objects(generation))


def test_what_was_loaded_is_looked_at_by_a_search_through_everything_alone() -> None:
    with nothing_collected():
        loaded: list[object] = []
    assert not _found(loaded, 0)
    assert not _found(loaded, 1)
    assert _found(loaded, 2)


def test_what_a_flow_loads_is_looked_at_when_it_has_ended() -> None:
    with older_objects_left_alone():
        with nothing_collected():
            loaded: list[object] = []
        assert not _found(loaded)
    assert _found(loaded, 2)


@pytest.mark.parametrize("flow", ["hello_world", "user_page_views"])
def test_a_flow_that_is_imported_leaves_python_searching(flow: str) -> None:
    code = f"import gc; import flows.{flow}; print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["True", "0"]


def test_what_a_caller_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        with older_objects_left_alone(), nothing_collected():
            pass
        with nothing_collected():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_within_a_flow_older_objects_are_left_alone_and_afterwards_they_are_not() -> None:
    with older_objects_left_alone():
        assert gc.get_freeze_count() > 0
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() > 0, "what the flow makes is still searched through"
    assert gc.get_freeze_count() == 0
