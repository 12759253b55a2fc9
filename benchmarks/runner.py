"""The run of one case: each library in turns, each measurement in an interpreter of its own.

Idea: within a case the libraries take turns, round after round, each time another one first; so a
load that comes and goes falls on all of them alike. ``python -m benchmarks.programs.once CASE
LIBRARY SHARE`` measures once and prints the result as JSON. A fresh process for each measurement:
no library inherits threads, warm memory or a grown heap from the other, and one that hangs can be
given up.

Invariant: of a measurement that is given up, no process is left.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field

from . import peers
from .cases import CASES, POINTS, Case
from .timing import Measurement

TIMEOUT = 120.0  # seconds


@dataclass
class Row:
    """All measurements of one case, by library; and the libraries that failed."""

    case: Case
    measured: dict[str, list[Measurement]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def figure(self, library: str) -> float | None:
        """Return the median over the rounds, in nanoseconds; None if there is none."""
        rounds = self.measured.get(library)
        return statistics.median(each.figure for each in rounds) if rounds else None

    def late(self, library: str) -> float | None:
        """Return the 99th percentile over the parts of all rounds, in nanoseconds."""
        parts = [part for each in self.measured.get(library, ()) for part in each.parts]
        return statistics.quantiles(parts, n=100)[98] if len(parts) > 1 else None

    def ratio(self, library: str = peers.STANDARD) -> float | None:
        """Return how many times as fast as *library* this package is."""
        theirs, ours = self.figure(library), self.figure(peers.OURS)
        return theirs / ours if theirs and ours else None


class Failed(Exception):
    """A measurement did not end well; says how."""


def run(case: Case, rounds: int, share: float) -> Row:
    """Measure one case in alternation."""
    others = [peer for peer in case.peers if peers.is_installed(peer)]
    turns = [peers.STANDARD, peers.OURS, *others]
    row = Row(case)
    for number in range(rounds):
        _show_progress(f"{case.name}, round {number + 1} of {rounds}")
        for library in turns:
            if library not in row.failed:
                _measure_into(row, library, share)
        turns.append(turns.pop(0))
    _show_progress("")
    return row


def _show_progress(text: str) -> None:
    """Show what is measured now, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:50}\r", end="", file=sys.stderr, flush=True)


def _measure_into(row: Row, library: str, share: float) -> None:
    """Measure *library* once and enter it in the row."""
    try:
        measured = in_fresh_process(row.case.name, library, share)
    except Failed as failure:
        row.failed[library] = str(failure)
    else:
        row.measured.setdefault(library, []).append(measured)


def in_fresh_process(case: str, library: str, share: float) -> Measurement:
    """Measure *case* with *library* in a process of its own.

    Raises:
        Failed: it ended otherwise than with a result, or not within TIMEOUT.
    """
    command = [sys.executable, "-m", f"{__package__}.programs.once", case, library, str(share)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {TIMEOUT:.0f} s") from None
    finally:
        if process.poll() is None:  # too slow, or this process was interrupted
            os.killpg(process.pid, signal.SIGKILL)  # its children too
            process.communicate()
    if process.returncode != 0:
        last = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise Failed(last[0])
    return Measurement(**json.loads(output))


def find(name: str) -> Case:
    """Return the case called *name*, which may be a point of a curve."""
    return next(case for case in (*CASES, *POINTS) if case.name == name)


def main() -> None:
    """Measure once what the command line says."""
    name, library, share = sys.argv[1:]
    result = find(name).measure(library, float(share))
    print(json.dumps(asdict(result)))
