"""Starting: a process by each method, and the import of the package."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from . import targets
from .measurement import Measurement, of_delays


def start_and_join(context: Any, count: int) -> Measurement:
    """A process that does nothing, from start() to the end of join()."""
    return _starts(context, targets.nothing, count)


def with_value(context: Any, count: int) -> Measurement:
    """A process whose target returns a value, which the standard package throws away."""
    return _starts(context, int, count)


def _starts(context: Any, target: Callable[[], object], count: int) -> Measurement:
    delays = []
    for _ in range(count):
        process = context.Process(target=target)
        began = time.perf_counter_ns()
        process.start()
        process.join()
        delays.append(time.perf_counter_ns() - began)
        assert process.exitcode == 0
    return of_delays(delays)


def imports(library: str, count: int) -> Measurement:
    """The import of the package in a fresh interpreter."""
    code = (
        "import time; began = time.perf_counter_ns()\n"
        f"import {library}\n"
        "print(time.perf_counter_ns() - began)"
    )
    command = [sys.executable, "-c", code]
    delays = []
    for _ in range(count):
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        delays.append(int(ended.stdout))
    return of_delays(delays)
