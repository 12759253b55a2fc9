"""What the pages of the documentation name is there: programs, tests, pages."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_examples import ROOT

pytestmark = pytest.mark.bare

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TESTS = ROOT / "tests"

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
