"""The readers against the plain model, record for record, on thousands of made-up objects.

`make fuzz` takes new random objects each time and prints its seed: `make fuzz SEED=…` repeats it.
"""

import os

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.support.grammar import Grammar, Values, values
from tests.support.long import sampled
from tests.support.readers import PREFIX, differences

BATCH = 250
"""Objects of one extract; if DuckDB refuses one, all of them are read line by line."""


def different(kind: str, bodies: dict[str, bytes]) -> dict[str, str]:
    """How reader and model differ, by key; an error of either is a difference too."""
    try:
        return differences(kind, bodies)
    except Exception as error:
        if len(bodies) == 1:
            return {key: f"{type(error).__name__}: {error}" for key in bodies}
    keys = list(bodies)
    found: dict[str, str] = {}
    for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
        found |= different(kind, {key: bodies[key] for key in half})
    return found


def smallest(kind: str, body: bytes) -> bytes:
    """The object without the bytes that the difference does not need."""
    size = len(body) // 2
    while size:
        cuts = {f"{PREFIX[kind]}{at:06}": body[:at] + body[at + size :] for at in range(0, len(body), size)}
        found = different(kind, cuts)
        if found:
            body = min((cuts[key] for key in found), key=len)
            size = min(size, len(body) // 2)
        else:
            size //= 2
    return body


def fuzz(seed: int, inputs: int, batch: int = BATCH) -> None:
    """Compare at least so many objects; the first difference fails with the smallest object."""
    compared = 0
    problem = ""

    @hypothesis.seed(seed)
    @settings(
        max_examples=-(-inputs // (2 * batch)),
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(values(), st.integers(0, 2**64 - 1))
    def compare(drawn: Values, number: int) -> None:
        nonlocal compared, problem
        if problem:
            return
        grammar = Grammar(drawn, number)
        for kind, prefix in PREFIX.items():
            bodies = {f"{prefix}{n:06}": grammar.body(kind) for n in range(batch)}
            for key in different(kind, bodies):
                least = smallest(kind, bodies[key])
                why = different(kind, {prefix + "least": least})
                problem = f"{kind}, seed {seed}, object {least!r}: {why.get(prefix + 'least')}"
                return
            compared += len(bodies)

    compare()
    assert not problem, problem
    assert compared >= inputs


@pytest.mark.parametrize("seed", sampled(range(4), 4))
def test_made_up_objects_are_read_as_the_model_reads_them(seed: int) -> None:
    fuzz(seed, 2_000)


@pytest.mark.long
@pytest.mark.timeout(3_000)
def test_very_many_objects_are_read_as_the_model_reads_them() -> None:
    # Chosen by `make fuzz`; elsewhere the same objects each time.
    seed = int(os.environ.get("FUZZ_SEED", "20261122"))
    inputs = int(os.environ.get("FUZZ_INPUTS", "40000"))
    print(f"{inputs:,} objects, seed {seed}: make fuzz INPUTS={inputs} SEED={seed} repeats it")
    fuzz(seed, inputs)
