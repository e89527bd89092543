"""Programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from prefect.settings import PREFECT_API_URL


def printed(code: str, **others: str) -> list[str]:
    """What a program prints, in a process of its own, with these variables beside the others."""
    command = [sys.executable, "-c", code]
    variables = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""} | others
    done = subprocess.run(
        command, env=variables, check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.split()
