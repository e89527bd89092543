"""Python programs in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from prefect.settings import get_current_settings

ROOT = Path(__file__).parents[2]


def python(
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    folder: Path = ROOT,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder with the tests' Prefect settings, with more environment variables and without others."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    prefect = get_current_settings().to_environment_variables(exclude_unset=True)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, **prefect, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
