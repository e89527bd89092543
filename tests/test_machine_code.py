"""Functions as machine code: kept, found again, and called with what they were made for.

Compiled code is checked by nobody at run time: a wrong index or another array is a crash.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.machine_code.calls import Shape, shape_of
from flows.machine_code.compiling import CannotCompile, object_code
from flows.machine_code.functions import Items, Matrix, compiled, inlined
from flows.machine_code.primitives import first_bit, pointer, word

ROOT = Path(__file__).parent.parent

OTHER = """
from flows.machine_code.functions import inlined

FACTOR = 2
_OWN = (1, 0)


@inlined
def times(value: int) -> int:
    return value * FACTOR * _OWN[0]
"""

TOY = """
import numpy as np
from numpy.typing import NDArray

from flows.machine_code.functions import compiled
from other import times


@compiled
def double(numbers: NDArray[np.int64]) -> int:
    total = 0
    for number in numbers:
        total += times(number)
    return total
"""

RUN = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import toy
exec(sys.argv[2])
found = toy.double(np.arange(5))
print(json.dumps([found, "numba" in sys.modules]))
"""


class World(NamedTuple):
    """A module that compiles, and the user's cache."""

    source: Path
    cache: Path

    def run(self, then: str = "") -> list[object]:
        """In a process of its own: what the function gives, and whether numba was loaded.

        Args:
            then: What is done after the import.
        """
        # Python's own files tell sources of one second and one size not apart.
        own = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
        variables = os.environ | own | {"XDG_CACHE_HOME": str(self.cache)}
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(self.source.parent), then],
            env=variables,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        found: list[object] = json.loads(done.stdout)
        return found

    def kept(self) -> list[Path]:
        """The machine code that is kept, beside the source or elsewhere."""
        return sorted(self.source.parent.parent.rglob("*.o"))


def made(folder: Path, cache: Path, other: str = OTHER) -> World:
    folder.mkdir()
    (folder / "toy.py").write_text(TOY, encoding="utf-8")
    (folder / "other.py").write_text(other, encoding="utf-8")
    return World(folder / "toy.py", cache)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return made(tmp_path / "package", tmp_path / "cache")


COMPILED, FROM_KEPT = [20, True], [20, False]


def test_the_next_process_needs_no_compiler(world: World) -> None:
    assert world.run() == COMPILED
    assert [one.parent.name for one in world.kept()] == ["__pycache__"]
    assert world.run() == FROM_KEPT


@pytest.mark.parametrize(
    ("file", "old", "new", "gives"),
    [
        ("other.py", "FACTOR = 2", "FACTOR = 3", 30),
        ("other.py", "_OWN = (1, 0)", "_OWN = (7, 0)", 140),
        ("other.py", "value * FACTOR", "value + FACTOR", 20),
        ("toy.py", "total = 0", "total = 5", 25),
        ("toy.py", "numbers: NDArray[np.int64]", "numbers: NDArray[np.int64], more: int = 0", 20),
    ],
)
def test_other_code_is_compiled_anew_and_takes_the_place_of_the_old(
    world: World, file: str, old: str, new: str, gives: int
) -> None:
    world.run()
    [before] = world.kept()
    path = world.source.with_name(file)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    more = "toy.double, double = lambda n: double(n, 0), toy.double" if "more" in new else ""
    assert world.run(more) == [gives, True]
    [after] = world.kept()
    assert after != before
    assert world.run(more) == [gives, False]


def test_a_source_that_changes_after_its_import_is_not_taken_for_what_was_imported(
    world: World,
) -> None:
    change = (
        "import pathlib; path = pathlib.Path(sys.argv[1]) / 'other.py';"
        "path.write_text(path.read_text().replace('FACTOR = 2', 'FACTOR = 3'))"
    )
    assert world.run(change) == COMPILED
    assert world.run() == [30, True]


def test_a_module_that_is_loaded_again_is_compiled_again(world: World) -> None:
    change = (
        "import importlib, other, pathlib; toy.double(np.arange(5));"
        "path = pathlib.Path(sys.argv[1]) / 'other.py';"
        "path.write_text(path.read_text().replace('FACTOR = 2', 'FACTOR = 3'));"
        "importlib.reload(other); importlib.reload(toy)"
    )
    assert world.run(change) == [30, True]
    assert world.run() == [30, False]


@pytest.mark.parametrize("broken", ["cut", "changed", "empty"])
def test_code_that_is_not_whole_is_not_run(world: World, broken: str) -> None:
    world.run()
    [kept] = world.kept()
    content = kept.read_bytes()
    middle = len(content) // 2
    kept.write_bytes(
        {
            "cut": content[:-100],
            "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
        }[broken]
    )
    assert world.run() == COMPILED
    assert kept.read_bytes() == content
    assert world.run() == FROM_KEPT


def test_where_the_source_lies_in_a_folder_that_cannot_be_written_the_users_cache_is(
    world: World,
) -> None:
    (world.source.parent / "__pycache__").touch()
    assert world.run() == COMPILED
    [kept] = world.kept()
    assert world.cache in kept.parents
    assert world.run() == FROM_KEPT


def test_two_copies_of_a_source_keep_their_code_apart_in_the_users_cache(
    world: World, tmp_path: Path
) -> None:
    other = made(tmp_path / "other", world.cache, OTHER.replace("FACTOR = 2", "FACTOR = 3"))
    for one in (world, other):
        (one.source.parent / "__pycache__").touch()
        one.run()
    assert (world.run(), other.run()) == (FROM_KEPT, [30, False])


def test_where_nothing_can_be_kept_each_process_compiles(world: World) -> None:
    (world.source.parent / "__pycache__").touch()
    world.cache.touch()
    assert world.run() == COMPILED
    assert world.run() == COMPILED


class Pair(NamedTuple):
    """Two arrays."""

    small: NDArray[np.int32]
    large: NDArray[np.int64]


@inlined
def _sum(items: Items, count: int) -> int:
    total = 0
    for at in range(count):
        total += items[at]
    return total


@compiled
def summed(
    flag: bool, data: NDArray[np.uint8], pair: Pair, rows: Matrix, start: int
) -> tuple[int, int, int]:
    """Sums, and marks what it has seen."""
    pair.large[0] += start
    rows[1, 0] = -1
    data_sum = _sum(pointer(data), data.size) if flag else 0
    pair_sum = _sum(pointer(pair.small), pair.small.size) + _sum(
        pointer(pair.large), pair.large.size
    )
    return data_sum, pair_sum, rows.shape[0] * 100 + rows.shape[1]


def arguments() -> tuple[bool, NDArray[np.uint8], Pair, NDArray[np.int64], int]:
    pair = Pair(np.array([1, -2], np.int32), np.array([2**40, 5]))
    return True, np.frombuffer(b"abc", np.uint8), pair, np.zeros((2, 3), np.int64), -(2**63)


def test_arguments_arrive_and_results_come_back() -> None:
    flag, data, pair, rows, start = arguments()
    assert summed(flag, data, pair, rows, start) == (294, 2**40 - 2**63 + 4, 203)
    assert rows.tolist() == [[0, 0, 0], [-1, 0, 0]]
    assert pair.large.tolist() == [2**40 - 2**63, 5]
    assert summed(False, data, pair, rows, 0)[0] == 0


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (1, np.zeros(3, np.int8)),
        (1, np.zeros((1, 3), np.uint8)),
        (1, np.zeros(6, np.uint8)[::2]),
        (3, np.zeros(6, np.int64)),
        (3, np.zeros((3, 2), np.int64).T),
        (2, Pair(np.zeros(1, np.int32), np.zeros(1, np.int32))),
        (1, np.ma.masked_array(np.zeros(3, np.uint8), [False, True, False])),
        (3, np.zeros(56, np.uint8)[1:49].view(np.int64).reshape(2, 3)),
    ],
)
def test_an_array_of_another_kind_is_refused(place: int, wrong: Any) -> None:
    given: list[Any] = list(arguments())
    given[place] = wrong
    with pytest.raises(TypeError, match="not Array"):
        summed(*given)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64 + 1])
def test_an_integer_of_more_than_64_bits_is_refused(number: int) -> None:
    flag, data, pair, rows, _ = arguments()
    with pytest.raises(OverflowError, match="64 bits"):
        summed(flag, data, pair, rows, number)


def test_too_few_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        summed(*arguments()[:4])  # type: ignore[call-arg]


@compiled
def words(data: NDArray[np.uint8], found: NDArray[np.int64]) -> None:
    """The lowest bit of the word at each place."""
    items = pointer(data)
    for at in range(found.size):
        found[at] = first_bit(word(items, at))


def test_primitives_are_in_machine_code_what_they_are_in_python() -> None:
    data = np.frombuffer(bytes([0, 0, 8, 0, 0, 0, 0, 128, 1, 2, 4, 0]), np.uint8)
    found = np.zeros(5, np.int64)
    words(data, found)
    assert found.tolist() == [first_bit(word(data, at)) for at in range(5)]
    assert found.tolist() == [19, 11, 3, 39, 31]


def _allocates(data: NDArray[np.int64]) -> int:
    return int(data.copy()[0])


def test_a_function_that_makes_an_array_is_refused() -> None:
    """Numba frees an array behind its own last use, although its pointer may be in use."""
    with pytest.raises(Exception, match="NRT required but not enabled"):
        object_code(_allocates, shape_of(_allocates), set())


def _prints(data: NDArray[np.int64]) -> int:
    print(data[0])
    return len(data)


def test_a_function_that_needs_more_than_itself_is_refused() -> None:
    """In the next process, where numba is not loaded, it would end the process."""
    with pytest.raises(CannotCompile, match="needs more than itself"):
        object_code(_prints, shape_of(_prints), set())


def _lists(data: list[int]) -> int:
    return len(data)


class Mixed(NamedTuple):
    """An array and a number."""

    data: NDArray[np.int64]
    number: int


def _mixed(mixed: Mixed) -> int:
    return mixed.number


@pytest.mark.parametrize("function", [_lists, _mixed])
def test_what_cannot_be_handed_over_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="is no integer"):
        shape_of(function)


def _number(data: NDArray[np.int64]) -> int:
    return len(data)


def _half(data: NDArray[np.int64]) -> int:
    return data[0] / 2  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (_half, shape_of(_half)),
        (_number, Shape(shape_of(_number).parameters, 0)),
        (_number, Shape(shape_of(_number).parameters, 2)),
    ],
)
def test_a_function_that_gives_something_else_than_it_says_is_refused(
    function: Callable[..., Any], shape: Shape
) -> None:
    with pytest.raises(CannotCompile, match="instead of"):
        object_code(function, shape, set())


def test_a_function_that_takes_its_arguments_in_another_way_is_refused() -> None:
    class Longer(Shape):
        @property
        def flat(self) -> list[Any]:
            return [*super().flat, *super().flat]

    longer = Longer(shape_of(_number).parameters, None)
    with pytest.raises(CannotCompile, match="hands them over"):
        object_code(_number, longer, set())


def test_processes_that_compile_at_once_keep_one_whole_file(world: World) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: world.run(), range(3)))
    assert [total for total, _ in found] == [20, 20, 20]
    assert list(world.source.parent.joinpath("__pycache__").iterdir()) == world.kept()
    assert len(world.kept()) == 1
    assert world.run() == FROM_KEPT


def marked_functions() -> list[ast.FunctionDef]:
    return [
        node
        for path in sorted((ROOT / "flows").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(getattr(one, "id", "") in ("compiled", "inlined") for one in node.decorator_list)
    ]


def test_pointers_are_taken_of_arguments_alone() -> None:
    functions = marked_functions()
    assert len(functions) > 20
    for function in functions:
        parameters = {one.arg for one in function.args.args}
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "pointer":
                [array] = call.args
                name = array.value if isinstance(array, ast.Attribute) else array
                assert isinstance(name, ast.Name), (function.name, ast.unparse(call))
                assert name.id in parameters, (function.name, ast.unparse(call))
