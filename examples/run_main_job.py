"""Run the main job under Procession and under the standard package; compare them.

Idea: the same unmodified program, once by ``procession run`` and once by the interpreter alone.
Only if both print the same do the two times mean something.

Invariant: the exit code is 0 only if both ended well and printed the same.

    python run_main_job.py [ARGUMENTS OF index_sources.py]
"""

from __future__ import annotations

import difflib
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("index_sources.py")
WAYS = {
    "procession": [sys.executable, "-m", "procession", "run", str(PROGRAM)],
    "multiprocessing": [sys.executable, str(PROGRAM)],
}


@dataclass(frozen=True)
class Outcome:
    """What the program printed, and the seconds it took: by the clock, and of processors."""

    output: str
    elapsed: float
    worked: float


def run(way: str, arguments: list[str]) -> Outcome:
    """Run the program in one way.

    Raises:
        SystemExit: the program failed.
    """
    print(f"--- {PROGRAM.name} under {way}", file=sys.stderr, flush=True)
    began, worked = time.perf_counter(), processor_time()
    ended = subprocess.run([*WAYS[way], *arguments], stdout=subprocess.PIPE, text=True, check=False)
    elapsed, worked = time.perf_counter() - began, processor_time() - worked
    if ended.returncode != 0:
        sys.exit(f"{PROGRAM.name} under {way} ended with exit code {ended.returncode}")
    return Outcome(ended.stdout, elapsed, worked)


def processor_time() -> float:
    """Return the seconds that processors worked for children of this process, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run both, print the result once and both times."""
    outcomes = {way: run(way, sys.argv[1:]) for way in WAYS}
    ours, theirs = outcomes.values()
    print(ours.output, end="")
    if ours.output != theirs.output:
        lines, other_lines = ours.output.splitlines(), theirs.output.splitlines()
        first, second = WAYS
        print(*difflib.unified_diff(lines, other_lines, first, second, lineterm=""), sep="\n")
        sys.exit("the results differ")
    print("both printed the same result")
    for way, outcome in outcomes.items():
        print(f"{way:>16}: {outcome.elapsed:6.2f} s, {outcome.worked:6.2f} s of processors")
    print(f"{'ratio':>16}: {theirs.elapsed / ours.elapsed:6.2f}")


if __name__ == "__main__":
    main()
