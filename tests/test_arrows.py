"""Which part of the service may import which: read from the source, nothing is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flows", "blocks", "deployments", "tests")

# flows' modules that any of its parts may import, and that import nothing of Prefect's.
LEAVES = {
    *{"flows", "flows.collecting", "flows.errors", "flows.run_id", "flows.stopping"},
    "flows.summary",
}

# What a part may import of ours and of Prefect's, beside itself. Other packages are free.
ALLOWED = {
    "leaf": {"flows.errors"},
    "flows.errors": {"leaf"},
    "flows.machine_code": set(),
    "flows.logs": {"leaf", "flows.errors", "flows.machine_code"},
    "flows.warehouse": {"leaf", "flows.errors", "flows.machine_code"},
    "flows.storage": {"leaf", "flows.errors"},
    "flows.tasks": {
        *{"flows.logs", "flows.warehouse", "flows.storage", "flows.machine_code"},
        *{"blocks", "leaf", "flows.errors", "prefect"},
    },
    "flow": {"flows.tasks", "blocks", "leaf", "flows.errors", "prefect"},
    "blocks": {"flows.errors", "prefect"},
    "deployments": {
        *{"flow", "flows.tasks", "flows.logs", "flows.warehouse", "flows.storage"},
        *{"blocks", "leaf", "flows.errors", "prefect"},
    },
}


def part_of(module: str) -> str | None:
    """The part of the service that a module belongs to; None for other packages."""
    names = module.split(".")
    if names[0] in ("prefect", "prefect_aws"):
        return "prefect"
    if names[0] not in PACKAGES:
        return None
    if names[0] != "flows":
        return names[0]
    part = ".".join(names[:2])
    if part in ALLOWED:
        return part
    return "leaf" if module in LEAVES else "flow"


def sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module below the root: its dotted name and its file."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            names = path.relative_to(root).with_suffix("").parts
            yield ".".join(names[:-1] if names[-1] == "__init__" else names), path


def imported(root: Path, module: str, path: Path, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The modules that a module imports, wherever in it, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            near = package[: len(package) - node.level + 1] if node.level else []
            base = [*near, *(node.module or "").split(".")] if node.module else near
            for alias in node.names:
                inner = root.joinpath(*base, alias.name)  # a module, or a name in one
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield ".".join([*base, alias.name] if is_module else base), node.lineno


def bad_arrows(root: Path) -> list[str]:
    """Every import that the table above does not allow."""
    found = []
    for module, path in sources(root):
        here = part_of(module)
        if here is None or here == "tests":
            continue
        for target, line in imported(root, module, path, ast.parse(path.read_bytes())):
            there = part_of(target)
            if there not in (None, here, *ALLOWED[here]) or (here == there == "flow"):
                found.append(f"{path.relative_to(root).as_posix()}:{line}: imports {target}")
    return found


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, but for the bodies of functions."""
    yield node
    below: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        below = [node.args, *node.decorator_list]
    elif isinstance(node, ast.Lambda):
        below = [node.args]
    for child in below:
        yield from run_at_import(child)


def environment_reads(root: Path) -> list[str]:
    """Every read of the process's environment that happens at import."""
    found = []
    for module, path in sources(root):
        if part_of(module) == "tests":
            continue
        for node in run_at_import(ast.parse(path.read_bytes())):
            match node:
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    if name in ("environ", "environb", "getenv", "getenvb"):
                        line = f"{path.relative_to(root).as_posix()}:{node.lineno}"
                        found.append(f"{line}: reads {name} at import")
    return found


def test_imports() -> None:
    assert {"flows.errors", "blocks", "tests.test_arrows"} <= dict(sources(ROOT)).keys()
    assert bad_arrows(ROOT) == []


def test_no_environment_read_at_import() -> None:
    assert environment_reads(ROOT) == []


def planted(root: Path, file: str, code: str) -> Path:
    """A tree with the parts' packages, and the code in one file of it."""
    for part in ("logs", "warehouse", "storage", "tasks", "machine_code"):
        (root / "flows" / part).mkdir(parents=True)
        (root / "flows" / part / "__init__.py").touch()
    for name in ("flows/__init__", "flows/errors", "flows/summary", "flows/one", "flows/two"):
        (root / name).with_suffix(".py").touch()
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(code, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("flows/one.py", "from flows.logs.records import Record"),
        ("flows/one.py", "import flows.two"),
        ("flows/one.py", "from . import two"),
        ("flows/one.py", "import deployments.demo"),
        ("flows/tasks/a.py", "from flows.one import one"),
        ("flows/logs/a.py", "import prefect.logging"),
        ("flows/logs/a.py", "from prefect_aws import S3Bucket"),
        ("flows/logs/a.py", "from flows import warehouse"),
        ("flows/logs/a.py", "from ..storage import results"),
        ("flows/logs/__init__.py", "from .. import tasks"),
        ("flows/warehouse/a.py", "def load():\n    from blocks.database import Database"),
        ("flows/storage/a.py", "from flows.tasks.caching import cached_task"),
        ("flows/__init__.py", "import flows.one"),
        ("flows/errors.py", "from prefect import flow"),
        ("flows/machine_code/a.py", "from flows.logs import records"),
        ("flows/summary.py", "from flows.logs.counts import Counts"),
        ("blocks/a.py", "from flows.summary import RunSummary"),
        ("deployments/a.py", "from tests.support.world import World"),
    ],
)
def test_a_bad_arrow_is_found(tmp_path: Path, file: str, code: str) -> None:
    [found] = bad_arrows(planted(tmp_path, file, code))
    assert found.startswith(f"{file}:{1 + code.count(chr(10))}: imports ")


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("flows/one.py", "import blocks, prefect\nfrom flows import errors, tasks"),
        ("flows/tasks/a.py", "from flows.logs import a\nfrom . import b\nimport blocks.load"),
        ("flows/logs/a.py", "import duckdb, os.path\nfrom ..errors import LogsError"),
        ("blocks/a.py", "from flows.errors import SettingsError"),
        ("tests/a.py", "import flows.logs.a, prefect, deployments.demo"),
    ],
)
def test_a_good_arrow_is_not_found(tmp_path: Path, file: str, code: str) -> None:
    assert bad_arrows(planted(tmp_path, file, code)) == []


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("import os\nHOME = os.environ['HOME']", 1),
        ("from os import getenv\nclass A:\n    home = getenv('HOME')", 1),
        ("import os\ndef f(home=os.environ): ...", 1),
        ("import os\ndef f():\n    return os.environ['HOME']\ng = lambda: os.getenv('HOME')", 0),
    ],
)
def test_an_environment_read_is_found(tmp_path: Path, code: str, reads: int) -> None:
    assert len(environment_reads(planted(tmp_path, "flows/logs/a.py", code))) == reads
