"""Draw a benchmark run: ``python tools/plot_benchmarks.py RESULTS.json PICTURE.svg``.

Idea: one bar for each claim and each package compared with, as long as the ratio of the times, on a
logarithmic scale: twice as fast is as far to the right of 1 as half as fast is to its left. The
machine, the versions and the date of the run stand below the bars, so that no picture is without.
Of a run with ``--growth``: one line for each package, both axes logarithmic.

Invariant: every number in the picture is one of the results file, which ``python -m benchmarks
--json`` wrote; the same file gives the same picture, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

OURS, STANDARD = "procession", "multiprocessing"
# Of the standard package, then of others. Bars are of these; lines also of this package.
COLORS = ("#8d6e63", "#00897b", "#c0ca33", "#fb8c00", "#8e24aa", "#e53935", "#546e7a")
OWN_COLOR = "#3949ab"
BAR = 0.8  # of the height that a claim has


def main() -> None:
    """Read the results and write the picture."""
    parser = argparse.ArgumentParser(description="Draw a benchmark run.")
    parser.add_argument("results", type=Path, help="written by python -m benchmarks --json")
    parser.add_argument("picture", type=Path, help="an SVG file to write")
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    pyplot = imported_pyplot()
    figure = curves(results, pyplot) if "curves" in results else bars(results, pyplot)
    figure.savefig(options.picture, format="svg", metadata={"Date": None})


def imported_pyplot() -> Any:
    """Import what draws; only here, since a checker of this file need not have it."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": OURS, "svg.fonttype": "none"})
    from matplotlib import pyplot

    return pyplot


def curves(results: dict[str, Any], pyplot: Any) -> Any:
    """Return the figure for a run with ``--growth``: below one another, one for each curve."""
    count = len(results["curves"])
    figure, every_axes = pyplot.subplots(count, figsize=(8, 3.2 * count), layout="constrained")
    for curve, axes in zip(results["curves"], every_axes, strict=True):
        for package, figures in sorted(curve["figures"].items()):
            color = OWN_COLOR if package == OURS else COLORS[package != STANDARD]
            microseconds = [None if figure is None else figure / 1000 for figure in figures]
            axes.plot(curve["points"], microseconds, marker="o", color=color, label=package)
        axes.set(xscale="log", yscale="log", xlabel=curve["axis"], ylabel="microseconds")
        axes.set_xticks(curve["points"], [f"{point:,}" for point in curve["points"]])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_title(curve["title"], fontsize=11)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.supxlabel("below is better\n" + facts(results), fontsize=9)
    return figure


def bars(results: dict[str, Any], pyplot: Any) -> Any:
    """Return the figure for a run of claims."""
    rows = [row for row in results["rows"] if row["ratios"].get(STANDARD)]
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.34 * len(rows)), layout="constrained")
    for package, color in zip(compared(rows), COLORS, strict=False):
        draw_bars(axes, rows, package, color)
    axes.set_yticks(range(len(rows)), [row["what"] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)  # the first on top
    axes.set_xscale("log", base=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(left=min(0.5, *axes.get_xlim()), right=2 * axes.get_xlim()[1])
    axes.set_xlabel("ratio of the times, to the right is better\n" + facts(results))
    axes.set_title("How many times as fast as ...", fontsize=11)
    axes.legend(loc="upper right")
    return figure


def compared(rows: list[dict[str, Any]]) -> list[str]:
    """Return the packages that are compared with, the standard one first."""
    packages = {package for row in rows for package in row["ratios"]}
    return sorted(packages, key=lambda package: (package != STANDARD, package))


def draw_bars(axes: Any, rows: list[dict[str, Any]], package: str, color: str) -> None:
    """Draw the bars of one package, each beside those of the others for the same claim."""
    label: str | None = package
    for place, row in enumerate(rows):
        packages = [each for each in compared([row]) if row["ratios"][each]]
        if package not in packages:
            continue
        height = BAR / len(packages)
        middle = place - BAR / 2 + height * (packages.index(package) + 0.5)
        ratio = row["ratios"][package]
        axes.barh(middle, ratio - 1, height, left=1, color=color, label=label)
        axes.text(max(ratio, 1), middle, f" {ratio:.2f}", va="center", fontsize=7)
        label = None  # once in the legend


def facts(results: dict[str, Any]) -> str:
    """Return what was compared, where and when."""
    kind = "a quick run, of a tenth of the work in two rounds" if results["quick"] else "a full run"
    return "\n".join(textwrap.wrap("; ".join([*results["machine"], kind]), 80))


if __name__ == "__main__":
    main()
