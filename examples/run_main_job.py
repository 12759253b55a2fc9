"""Run the main job under Procession and under the standard package; compare them.

Idea: the same unmodified program, once by ``procession run`` and once by the interpreter alone.
Only if both print the same do the two times mean something.

Invariant: the exit code is 0 only if both ended well and printed the same.

    python run_main_job.py [ARGUMENTS OF index_sources.py]
"""

from __future__ import annotations

import difflib
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(__file__).with_name("index_sources.py")
WAYS = {
    "procession": [sys.executable, "-m", "procession", "run", str(PROGRAM)],
    "multiprocessing": [sys.executable, str(PROGRAM)],
}


def run(way: str, arguments: list[str]) -> tuple[str, float]:
    """Run the program in one way; return what it printed, and the seconds it took.

    Raises:
        SystemExit: the program failed.
    """
    print(f"--- {PROGRAM.name} under {way}", file=sys.stderr, flush=True)
    began = time.perf_counter()
    ended = subprocess.run([*WAYS[way], *arguments], stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - began
    if ended.returncode != 0:
        sys.exit(f"{PROGRAM.name} under {way} ended with exit code {ended.returncode}")
    return ended.stdout, seconds


def main() -> None:
    """Run both, print the result once and both times."""
    outputs, times = {}, {}
    for way in WAYS:
        outputs[way], times[way] = run(way, sys.argv[1:])
    print(outputs["procession"], end="")
    if outputs["procession"] != outputs["multiprocessing"]:
        ours, theirs = (outputs[way].splitlines() for way in WAYS)
        first, second = WAYS
        print(*difflib.unified_diff(ours, theirs, first, second, lineterm=""), sep="\n")
        sys.exit("the results differ")
    print("both printed the same result")
    for way, seconds in times.items():
        print(f"{way:>16}: {seconds:6.2f} s")
    print(f"{'ratio':>16}: {times['multiprocessing'] / times['procession']:6.2f}")


if __name__ == "__main__":
    main()
