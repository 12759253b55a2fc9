"""Starting: a process by each method, and the import of the package.

Idea: what a program has imported weighs on each start, whatever the library. So each measurement
runs a program of its own that has imported nothing but the library.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..timing import Measurement, of_delays

PROGRAM = str(Path(__file__).parents[1] / "programs" / "start_and_join.py")


def start_and_join(method: str) -> Callable[[str, int], Measurement]:
    """A process that does nothing, from start() to the end of join()."""
    return lambda library, count: _starts(library, method, count, "nothing")


def with_value(method: str) -> Callable[[str, int], Measurement]:
    """A process whose target returns a value, which the standard package throws away."""
    return lambda library, count: _starts(library, method, count, "number")


def _starts(library: str, method: str, count: int, target: str) -> Measurement:
    return of_delays(_printed_by(PROGRAM, library, method, str(count), target))


def imports(library: str, count: int) -> Measurement:
    """The import of the package in a fresh interpreter."""
    code = (
        "import time; began = time.perf_counter_ns()\n"
        f"import {library}\n"
        "print(time.perf_counter_ns() - began)"
    )
    return of_delays([_printed_by("-c", code)[0] for _ in range(count)])


def _printed_by(*arguments: str) -> list[int]:
    """The numbers that a program of this interpreter's prints."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [int(line) for line in ended.stdout.split()]
