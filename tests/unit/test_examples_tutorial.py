"""The programs of a beginner's tutorial, under each start method and under the default one."""

import re
from pathlib import Path

import pytest

from tests.unit.test_examples import ROOT, output

pytestmark = [pytest.mark.bare, pytest.mark.orphans]

METHODS = pytest.mark.parametrize(
    "method", [(), ("fork",), ("spawn",), ("forkserver",)], ids="-".join
)


def run(name: str, method: tuple[str, ...]) -> str:
    return output(str(Path(ROOT, "examples", "tutorial", name)), *method)


@METHODS
def test_a_target_with_arguments(method: tuple[str, ...]) -> None:
    assert run("greet.py", method) == "Hello, world!\nWelcome, again!\n"


@METHODS
def test_process_ids_and_parents(method: tuple[str, ...]) -> None:
    """The child's parent is the main process, its own id the one that the parent knows."""
    pattern = (
        r"main line\n  process: MainProcess (\d+)\n  parent:  none\n"
        r"function\n  process: child (\d+)\n  parent:  MainProcess \1\n"
        r"child had process id \2 and exit code 0\n"
    )

    found = re.fullmatch(pattern, run("who.py", method))

    assert found
    assert found[1] != found[2]


@METHODS
def test_five_processes_print_under_a_lock(method: tuple[str, ...]) -> None:
    """In any order, each line whole."""
    lines = run("lines.py", method).splitlines()

    assert sorted(lines) == [f"process {number} has the lock" for number in range(5)]


@METHODS
def test_a_subclass_of_process(method: tuple[str, ...]) -> None:
    lines = run("counter.py", method).splitlines()

    assert sorted(lines) == ["counter to 10 10", "counter to 1000 1000"]


@METHODS
def test_exit_codes(method: tuple[str, ...]) -> None:
    assert run("ends.py", method).splitlines() == [
        "returns 0",
        "exits 3",
        "raises 1",
        "is terminated -15",
        "result: 42",
        "error: ValueError('on purpose')",
        "loss: ProcessLostError -15",
    ]
