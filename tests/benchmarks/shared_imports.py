"""What a flow of Prefect's imports that a run without Prefect imports as well."""

import subprocess
import sys

from tests.benchmarks.timed import ROOT

_EMPTY_FLOW = "import tests.benchmarks.empty_flow"
_WITHOUT_PREFECT = """
from tests.benchmarks.without_prefect import stand_in
stand_in()
import blocks.credentials, flows.user_page_views
from flows.tasks.loading import load
load()
"""
_OURS = {"__main__", "blocks", "flows", "tests"}


def shared_imports(variables: dict[str, str]) -> str:
    """A program that imports just those modules, in the order in which the flow does.

    Args:
        variables: The environment variables that the flow is run with.
    """
    others = set(_modules(_WITHOUT_PREFECT, variables))
    shared = [
        name
        for name in _modules(_EMPTY_FLOW, variables)
        # What stands in for Prefect has its names.
        if name in others and name.split(".")[0] not in _OURS | {"prefect", "prefect_aws"}
    ]
    return f"from importlib import import_module\nfor name in {shared}:\n    import_module(name)"


def _modules(program: str, variables: dict[str, str]) -> list[str]:
    # What has no spec was never imported, but made by another module.
    told = "import sys; print(*(n for n, m in sys.modules.items() if getattr(m, '__spec__', None)))"
    command = [sys.executable, "-c", f"{program}\n{told}"]
    done = subprocess.run(
        command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True
    )
    return done.stdout.split()
