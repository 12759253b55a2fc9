"""The programs of the documentation print what the documentation says.

The pages show a program and, beside it, the file of its output; these are the same files.
"""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.commands import run_command
from tests.unit.test_examples import ROOT, output

pytestmark = [pytest.mark.bare, pytest.mark.orphans]

EXAMPLES = ROOT / "examples"
METHODS = ("fork", "spawn", "forkserver")

# Programs whose processes print in any order.
UNORDERED = {"counter", "lines"}
# They use every method, or none.
WITHOUT_METHOD = {"inherit", "unpicklable", "processors"}

NOTEBOOK = EXAMPLES / "howto" / "notebook.py"
PROGRAMS = [
    (program, method)
    for program in sorted([*EXAMPLES.glob("tutorial/*.py"), *EXAMPLES.glob("howto/*.py")])
    if program != NOTEBOOK
    for method in (("",) if program.stem in WITHOUT_METHOD else METHODS)
]
MIGRATIONS = sorted(
    path.stem.removesuffix("_after") for path in EXAMPLES.glob("migration/*_after.py")
)
RIVALS = {"multiprocessing", "billiard", "loky", "pebble", "mpire"}


def identity(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("program", "method"), PROGRAMS, ids=identity)
def test_a_program_prints_what_its_page_shows(program: Path, method: str) -> None:
    """But for process ids, and for the order where several processes print."""
    printed = output(str(program), *filter(None, [method]))

    assert shown(program, printed) == shown(program, program.with_suffix(".out").read_text())


def shown(program: Path, printed: str) -> list[str]:
    """Return the lines without what differs from run to run."""
    if program.stem == "who":
        printed = re.sub(r"\b\d{2,}\b", "PID", printed)
    lines = printed.splitlines()
    return sorted(lines) if program.stem in UNORDERED else lines


def test_the_cells_of_a_notebook_print_what_their_page_shows() -> None:
    """Where the main module is no file: children cannot import it."""
    printed = run_command([sys.executable, "-"], ROOT, stdin=NOTEBOOK.read_text())

    assert printed.stdout == NOTEBOOK.with_suffix(".out").read_text(), printed.stderr


@pytest.mark.parametrize("name", MIGRATIONS)
def test_a_migrated_program_prints_what_it_did_before(name: str) -> None:
    """The one for the other package is run where that package is installed."""
    expected = (EXAMPLES / "migration" / f"{name}.out").read_text()

    assert output(f"examples/migration/{name}_after.py") == expected
    if find_spec(name):
        assert output(f"examples/migration/{name}_before.py") == expected


def test_there_is_a_migration_for_each_rival() -> None:
    assert set(MIGRATIONS) == RIVALS


def test_the_standard_programs_run_unchanged_as_well() -> None:
    """Under ``procession run``, no import is changed."""
    program = "examples/migration/multiprocessing_before.py"

    printed = output("-m", "procession", "run", program)

    assert printed == (EXAMPLES / "migration" / "multiprocessing.out").read_text()
