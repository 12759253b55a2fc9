"""The command: ``python -m benchmarks`` measures every claim and prints one table.

Idea: the command line says which cases are measured, how much of each, and where the figures go.

Invariant: whatever the figures are, the exit code is 0: other work on the machine decides them too,
so they inform and never gate.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from . import report, runner
from .cases import CASES, CURVES, Case

ROUNDS, QUICK_ROUNDS = 5, 2
QUICK_SHARE = 0.1  # of the operations


def main() -> None:
    """Measure what the command line asks for and print the table."""
    options = parse()
    compile_package()
    if options.growth:
        grow(options)
        return
    chosen = [case for case in CASES if is_chosen(case, options.claims)]
    rounds, share = (QUICK_ROUNDS, QUICK_SHARE) if options.quick else (ROUNDS, 1.0)
    print(*report.machine(), *report.absent(chosen), "", sep="\n")
    rows = [runner.run(case, rounds, share) for case in chosen]
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
        rows = {value: runner.run(case, rounds, share) for value, case in curve.points.items()}
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
    names = ", ".join(case.name for case in CASES)
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


def is_chosen(case: Case, patterns: Sequence[str]) -> bool:
    """Return whether one of *patterns* names the case; all are chosen if there is none."""
    return not patterns or any(fnmatch(case.name, pattern) for pattern in patterns)


if __name__ == "__main__":
    main()
