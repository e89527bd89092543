"""Tables of cases of which `make test` runs some, and `make test-long` the others."""

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet


def sampled(cases: Iterable[Any], step: int) -> list[ParameterSet]:
    """Parameters of a test, all marked `long` but each `step`-th."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else [case]), marks=[pytest.mark.long] if number % step else [])
        for number, case in enumerate(cases)
    ]
