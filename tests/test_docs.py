"""Docs cannot drift: what they name exists, and they list what exists."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from blocks.register import HELP
from blocks.settings import EnvironmentSettings
from flows.summary import RunSummary
from flows.user_page_views import user_page_views

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = [name.upper() for name in EnvironmentSettings.model_fields]


def blocks_of(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_readme_and_the_help_list_every_setting(name: str) -> None:
    assert f"`{name}`" in README
    assert name in HELP


def test_the_readme_lists_the_reasons_that_the_rules_give() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("flows/logs/*.[ps]*"))
    listed = re.findall(r"^\| `(\w+)` \| .*$", README.partition("| reason |")[2], re.MULTILINE)
    reasons = listed[:7]
    assert reasons[0] == "not_utf8"
    assert [reason for reason in reasons if f"{reason!r}" not in rules.replace('"', "'")] == []
    given = set(re.findall(r"'(bad_\w+|missing_\w+|malformed|not_\w+)'", rules.replace('"', "'")))
    assert given == set(reasons)


@pytest.mark.parametrize("name", RunSummary.model_fields)
def test_the_readme_lists_every_field_of_the_summary(name: str) -> None:
    assert f"`{name}`" in README


def test_the_readme_names_every_deployment_and_its_pool() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    for one in deployments:
        module, _, flow = one["entrypoint"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), flow))
        assert f"`{flow.replace('_', '-')}`" in README
        assert f"`{one['name']}`" in README
        assert f"--pool {one['work_pool']['name']}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_named_in_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    for link in links:
        assert (page.parent / link).exists(), link
    for name in re.findall(r"`((?:flows|blocks|deployments|tests|docs)/[\w/.]*)`", text):
        assert (ROOT / name).exists(), name


def test_how_it_works_shows_the_files_of_a_real_run(prefect_server: None, work_folder: Path) -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    [listing] = [block for block in blocks_of("text", page) if "extracts/" in block]
    user_page_views(id="a")
    storage = work_folder / ".local" / "storage"
    files = sorted(p.relative_to(storage).as_posix() for p in storage.rglob("*") if p.is_file())
    assert len(listing.split()) == len(files)
    for shown in listing.split():
        pattern = re.escape(shown).replace("…", "[0-9a-f]+")
        assert [file for file in files if re.fullmatch(pattern, file)], shown


def test_make_targets_named_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w.-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "check", "matrix", "help", "lock"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_compile_and_their_imports_exist(page: Path) -> None:
    for snippet in blocks_of("python", page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, ast.ImportFrom):
                assert node.module is not None
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), alias.name


def test_the_readme_the_makefile_and_the_package_need_the_same_pythons() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, *_, newest = re.findall(r"^PYTHONS \?= (.*)$", makefile, re.MULTILINE)[0].split()
    assert f"Python {oldest} to {newest}" in README
    assert f"Python {oldest} or newer" in makefile
    assert package["requires-python"] == f">={oldest}"


def _commands() -> list[str]:
    lines = "\n".join(blocks_of("bash")).splitlines()
    return sorted({line.split("#")[0].strip() for line in lines} - {""})


@pytest.mark.long
def test_commands_of_the_readme_are_accepted_by_the_real_programs() -> None:
    for command in _commands():
        program, *words = shlex.split(command)
        if program == "prefect":
            verbs = [word for word in words if re.fullmatch(r"[a-z-]+", word)][:2]
            verbs = verbs[:1] if words[0] == "deploy" else verbs
            shown = _help(str(Path(sys.executable).with_name("prefect")), *verbs)
        elif words[:2] == ["-m", "blocks.register"]:
            shown = _help(sys.executable, "-m", "blocks.register")
        else:
            assert program in ("make", "export", "python"), command
            continue
        for option in (word for word in words if re.fullmatch(r"--?[a-z-]+", word)):
            assert option in shown, command


def _help(*command: str) -> str:
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
