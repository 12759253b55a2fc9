"""What the pages of the documentation name is there: programs, tests, pages."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.unit.test_examples import ROOT

pytestmark = pytest.mark.bare

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TOP_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
TESTS = ROOT / "tests"

# The pages that tell where things are: their paths and names are those of the tree.
GUIDES = [DOCS / "architecture.md", *sorted((DOCS / "design").glob("*.md")), TOP_PAGES[1]]
STARTS = (ROOT, ROOT / "src" / "procession", ROOT / "native", TESTS, ROOT / "examples/tutorial")
SOURCES = ("src", "native", "tests", "benchmarks", "tools", "Makefile", "pyproject.toml", ".ci")

OUTSIDE = {"conform.py", "program.py"}  # of the harness of CPython's tests; of a reader

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w./*-]*(?:/|\.(?:py|pyi|c|h|md|pml|toml|yml|json|svg))\Z")
NAME = re.compile(r"_?[A-Za-z]\w*(?:\.\w+)*(?:\(\))?\Z")

HOOK = re.compile(r"(?<!def )\b(?:register_at_fork|pthread_atfork|register_after_fork)\(")

SNIPPET = re.compile(r'--8<-- "([^"]+)"')
TEST = re.compile(r"`((?:unit|property|crash|stress|compat)/\w+\.py)(?:::(\w+))?`")


def name(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    missing = [
        (file, test)
        for file, test in TEST.findall(page.read_text())
        if not (TESTS / file).is_file() or (test and test not in functions(TESTS / file))
    ]

    assert missing == []


@pytest.mark.parametrize("page", [*PAGES, *TOP_PAGES], ids=lambda page: page.name)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    """As it is written, or below the package, the core or the tests; ``*`` matches one at least."""
    code = [word for text in CODE.findall(page.read_text()) for word in text.split()]
    paths = {word for word in code if PATH.match(word) and "://" not in word and word != "/"}

    missing = {path for path in paths if not any(list(start.glob(path)) for start in STARTS)}

    assert {path for path in missing - OUTSIDE if not path.startswith(("/", ".build"))} == set()


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_every_name_that_a_guide_uses_is_somewhere_in_the_tree(page: Path) -> None:
    """Modules, functions, variables: each part of a dotted name is a word of some source."""
    code = CODE.findall(page.read_text())
    names = {word for word in code if NAME.match(word) and not PATH.match(word)}

    unknown = {
        name for name in names if not set(re.findall(r"\w+", name)) <= words_of_the_sources()
    }

    assert unknown == set()


def test_every_hook_of_a_fork_is_in_the_list() -> None:
    """Each file that registers one is named in the section that has the order."""
    page = TOP_PAGES[1].read_text()
    section = page[page.index("## What runs around a fork") :].partition("\n## ")[0]
    roots = (ROOT / "src" / "procession", ROOT / "native")
    registering = {
        str(path.relative_to(root.parent if root.name == "native" else root))
        for root in roots
        for path in root.rglob("*.[cp]*")
        if path.suffix in (".c", ".py") and HOOK.search(path.read_text())
    }

    assert len(registering) > 10
    assert {path for path in registering if f"`{path}`" not in section} == set()


@cache
def words_of_the_sources() -> set[str]:
    """Return every word in the files of `SOURCES`, and in their names."""
    files = [
        path
        for name in SOURCES
        for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
        if path.is_file() and path.suffix not in (".so", ".pyc", ".pem")
    ]
    names = {part for path in files for part in re.findall(r"\w+", str(path.relative_to(ROOT)))}
    return names.union(*(re.findall(r"\w+", path.read_text()) for path in files))


def functions(file: Path) -> set[str]:
    """Return the names of the functions that *file* defines."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_every_difference_has_a_test() -> None:
    """Each row of the tables of docs/compat.md names one."""
    rows = list(table_rows((DOCS / "compat.md").read_text()))

    assert len(rows) > 50
    assert [row for row in rows if not TEST.search(row)] == []


def table_rows(text: str) -> Iterator[str]:
    """Yield the rows of the tables, without their headings and rules."""
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        rules = [each.startswith("|---") for each in (line, following)]
        if line.startswith("|") and not any(rules):
            yield line


def test_every_program_is_shown_on_a_page_with_its_output() -> None:
    """And what a page shows is there."""
    shown = {file for page in PAGES for file in SNIPPET.findall(page.read_text())}
    folders = ("tutorial", "howto", "migration")
    files = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / "examples" / folder).iterdir()
        if path.suffix in (".py", ".out")
    }
    files.discard("examples/migration/multiprocessing_before.py")  # the one after it says it all

    assert shown == files


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))

    assert listed == {name(page) for page in PAGES}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_no_page_names_a_path_of_somebodys_machine(page: Path) -> None:
    assert re.findall(r"/(?:home|root|work|Users)/\S*", page.read_text()) == []


def test_the_ratios_of_the_readme_are_those_of_the_results() -> None:
    """None is made up or out of date."""
    results = json.loads((DOCS / "benchmarks.json").read_text())
    measured = {row["claim"]: f"{row['ratios']['multiprocessing']:.2f}" for row in results["rows"]}
    told = re.findall(r"\| `([\w-]+)` \| ([\d.]+) \|", (ROOT / "README.md").read_text())

    assert len(told) > 10
    assert {claim: measured[claim] for claim, _ in told} == dict(told)
    assert results["machine"][0][:10] in (ROOT / "README.md").read_text()
