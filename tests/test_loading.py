"""What a run loads while it lists the logs."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from flows.tasks.loading import load
load()
import flows.logs.extract, flows.tasks.make_summary, flows.tasks.publish_summary
from flows.machine_code.functions import all_compiled
print(*sorted(one.function.__name__ for one in all_compiled() if not one.loaded))
print(len(all_compiled()), "numba" in sys.modules)
"""


def test_all_that_a_run_needs_of_machine_code_is_loaded_ahead_and_without_the_compiler() -> None:
    for _ in range(2):  # the first one compiles, where nothing is kept yet
        done = subprocess.run(
            [sys.executable, "-c", CODE], check=True, capture_output=True, text=True, timeout=240
        )
    not_loaded, rest = done.stdout.splitlines()
    count, compiler = rest.split()
    assert (not_loaded, compiler) == ("", "False")
    assert int(count) > 5
