"""What a run loads while it lists the logs."""

from __future__ import annotations

import sys
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from flows.logs.rehearsal import rehearse
from flows.tasks.loading import load


def test_the_rehearsal_counts_its_two_lines(tmp_path: Path) -> None:
    made = rehearse(tmp_path)
    assert (made.rows, made.page_views, made.user_updates) == (1, 1, 1)


def test_all_that_a_run_compiles_is_loaded_ahead() -> None:
    load()
    compiled = {
        value
        for name, module in sys.modules.items()
        if name.startswith("flows.")
        for value in vars(module).values()
        if isinstance(value, Dispatcher) and not value.targetoptions.get("forceinline")
    }
    not_loaded = {one.py_func.__name__ for one in compiled if not one.signatures}
    assert len(compiled) > 4
    # For the few lines that compiled code leaves to the reference reader.
    assert not_loaded <= {"add_judged"}
