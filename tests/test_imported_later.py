"""Modules that are loaded when what imported them uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import printed


def shop(folder: Path, inside: str, told: str) -> list[str]:
    """What a program prints that imports another one, to which costly modules come later."""
    (folder / "costly").mkdir()
    (folder / "costly" / "__init__.py").write_text(
        "import threading\nthreading.loads = getattr(threading, 'loads', 0) + 1\nthing = 1\n"
    )
    (folder / "costly" / "part.py").write_text("other = 2\n")
    (folder / "user.py").write_text(inside)
    return printed(
        f"import sys, threading\nsys.path.insert(0, {str(folder)!r})\nthreading.loads = 0\n"
        "from blocks.later import imported_later\n"
        f"with imported_later('costly', 'no_such_module', 'sys'):\n    import user\n{told}"
    )


def test_a_module_is_loaded_when_it_is_used_and_once(tmp_path: Path) -> None:
    told = (
        "print('costly' in sys.modules, threading.loads)\n"
        "print(user.costly.thing, user.costly.thing, threading.loads)\n"
        "import costly\n"
        "print(costly is sys.modules['costly'], threading.loads)"
    )
    assert shop(tmp_path, "import costly", told) == ["False", "0", "1", "1", "1", "True", "1"]


@pytest.mark.parametrize(
    ("inside", "used"),
    [
        ("from costly import thing", "user.thing"),
        ("from costly import part", "user.part.other"),
        ("import costly.part", "user.costly.part.other"),
        ("from costly.part import other", "user.other"),
        ("import costly\nimport costly.part", "user.costly.part.other"),
    ],
)
def test_who_takes_from_a_module_has_it_at_once(tmp_path: Path, inside: str, used: str) -> None:
    told = f"print('costly' in sys.modules, {used}, threading.loads)"
    assert shop(tmp_path, inside, told)[::2] == ["True", "1"]


def test_a_module_that_is_there_or_that_there_is_not_stays_so(tmp_path: Path) -> None:
    inside = (
        "import sys\nhere = sys.executable\n"
        "try:\n    import no_such_module\nexcept ModuleNotFoundError as e:\n    gone = e.name"
    )
    told = "print(user.gone, user.sys is sys)"
    assert shop(tmp_path, inside, told) == ["no_such_module", "True"]


def test_a_name_that_a_module_lacks_is_missing_as_before(tmp_path: Path) -> None:
    told = "print(hasattr(user.costly, 'nothing'), threading.loads)"
    assert shop(tmp_path, "import costly", told) == ["False", "1"]


def test_threads_that_use_a_module_at_once_all_have_it(tmp_path: Path) -> None:
    inside = (
        "import costly, sys, threading\n"
        "sys.setswitchinterval(1e-6)\n"
        "ready, found = threading.Barrier(8), []\n"
        "def use():\n"
        "    ready.wait()\n"
        "    found.append(costly.thing)\n"
        "threads = [threading.Thread(target=use) for _ in range(8)]\n"
    )
    told = (
        "for thread in user.threads: thread.start()\n"
        "for thread in user.threads: thread.join()\n"
        "print(user.found == 8 * [1], threading.loads)"
    )
    assert shop(tmp_path, inside, told) == ["True", "1"]


def test_a_failure_while_others_are_loaded_leaves_no_stand_in(tmp_path: Path) -> None:
    told = (
        "try:\n"
        "    with imported_later('costly'):\n"
        "        raise ImportError\n"
        "except ImportError:\n"
        "    print('costly' in sys.modules)"
    )
    assert shop(tmp_path, "pass", told) == ["False"]
