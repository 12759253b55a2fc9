"""The run: ``python -m benchmarks`` measures every claim and prints one table.

Idea: within a claim the libraries take turns, round after round, each time another one first; so a
load that comes and goes falls on all of them alike.

Invariant: whatever the figures are, the exit code is 0: other work on the machine decides them too,
so they inform and never gate.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from . import libraries, measure, report
from .claim import Claim
from .claims import CLAIMS
from .growth import CURVES

ROUNDS, QUICK_ROUNDS = 5, 2
QUICK_SHARE = 0.1  # of the operations


def main() -> None:
    """Measure what the command line asks for and print the table."""
    options = parse()
    compile_package()
    if options.growth:
        grow(options)
        return
    chosen = [claim for claim in CLAIMS if is_chosen(claim, options.claims)]
    rounds, share = (QUICK_ROUNDS, QUICK_SHARE) if options.quick else (ROUNDS, 1.0)
    print(*report.machine(), *report.absent(chosen), "", sep="\n")
    rows = [row(claim, rounds, share) for claim in chosen]
    print(report.table(rows), *report.failures(rows), sep="\n")
    if options.markdown:
        options.markdown.write_text(report.markdown(rows))
    if options.json:
        results = report.results(rows, options.quick)
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def grow(options: argparse.Namespace) -> None:
    """Measure the curves and print a table for each."""
    rounds, share = (QUICK_ROUNDS, QUICK_SHARE) if options.quick else (ROUNDS, 1.0)
    print(*report.machine(), sep="\n")
    measured = []
    for curve in CURVES:
        rows = {place: row(claim, rounds, share) for place, claim in curve.points.items()}
        print("", f"{curve.title}, by {curve.axis}", report.curve_table(rows), sep="\n")
        print(*report.failures(rows.values()), sep="\n")
        measured.append(report.curve(curve, rows))
    if options.json:
        results = {"machine": report.machine(), "quick": options.quick, "curves": measured}
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def compile_package() -> None:
    """Have the package's bytecode there, as an installation has; the environment may forbid it."""
    spec = importlib.util.find_spec("procession")
    for folder in (spec and spec.submodule_search_locations) or ():
        compileall.compile_dir(folder, quiet=1)


def parse() -> argparse.Namespace:
    """Read the command line."""
    names = ", ".join(claim.name for claim in CLAIMS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Procession against the standard multiprocessing package.",
        epilog=f"Claims: {names}.",
    )
    parser.add_argument("claims", nargs="*", help="names or patterns (default: all)")
    parser.add_argument("--growth", action="store_true", help="the curves instead of the claims")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, in two rounds")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def is_chosen(claim: Claim, patterns: Sequence[str]) -> bool:
    """Return whether one of *patterns* names the claim; all are chosen if there is none."""
    return not patterns or any(fnmatch(claim.name, pattern) for pattern in patterns)


def row(claim: Claim, rounds: int, share: float) -> report.Row:
    """Measure one claim in alternation."""
    peers = [peer for peer in claim.peers if libraries.is_installed(peer)]
    turns = [libraries.STANDARD, libraries.OURS, *peers]
    found = report.Row(claim)
    for number in range(rounds):
        progress(f"{claim.name}, round {number + 1} of {rounds}")
        for library in turns:
            if library not in found.failed:
                take(found, library, share)
        turns.append(turns.pop(0))
    progress("")
    return found


def progress(text: str) -> None:
    """Show what is going on now, to somebody who watches."""
    if sys.stderr.isatty():
        print(f"\r{text:50}\r", end="", file=sys.stderr, flush=True)


def take(found: report.Row, library: str, share: float) -> None:
    """Measure *library* once and enter it in the row."""
    try:
        measured = measure.in_fresh_process(found.claim.name, library, share)
    except measure.Failed as failure:
        found.failed[library] = str(failure)
    else:
        found.measured.setdefault(library, []).append(measured)


if __name__ == "__main__":
    main()
