"""The tables: what was measured, on what machine, and how it compares with what is claimed."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from . import peers
from .cases import Case, Curve
from .runner import Row

HEADINGS = ("one operation", "standard", "p99", "procession", "p99", "ratio", "target", "peer")


def cells(row: Row) -> list[str]:
    """Return the row of the table."""
    ratio = row.ratio()
    times = [
        duration(time)
        for library in (peers.STANDARD, peers.OURS)
        for time in (row.figure(library), row.late(library))
    ]
    verdict = "-" if ratio is None else f"{ratio:.2f}"
    return [row.case.what, *times, verdict, _target(row, ratio), _peers(row)]


def _peers(row: Row) -> str:
    """Return each peer's figure, and how many times as fast as it this package is."""
    return ", ".join(
        f"{peer} {duration(row.figure(peer))} ({ratio:.2f})"
        for peer in row.case.peers
        if (ratio := row.ratio(peer)) is not None
    )


def _target(row: Row, ratio: float | None) -> str:
    if ratio is None:
        return f"{row.case.target:g}"
    return f"{row.case.target:g} {'met' if ratio >= row.case.target else 'MISSED'}"


def duration(nanoseconds: float | None) -> str:
    """Return a time with three digits and its unit."""
    if nanoseconds is None:
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def table(rows: Iterable[Row]) -> str:
    """Return the table as plain text."""
    return _aligned([list(HEADINGS), *(cells(row) for row in rows)])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = (
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )
    return "\n".join(line.rstrip() for line in aligned)


def markdown(rows: Iterable[Row]) -> str:
    """Return the machine and the table as Markdown."""
    lines = [list(HEADINGS), ["---"] + ["--:"] * (len(HEADINGS) - 1)]
    lines += [cells(row) for row in rows]
    shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    facts = "\n".join(f"- {fact}" for fact in machine())
    return f"{facts}\n\n{shown}\n"


def results(rows: Iterable[Row], quick: bool) -> dict[str, Any]:
    """Return what was measured, where and how, as JSON knows it; times in nanoseconds."""
    return {
        "machine": machine(),
        "quick": quick,
        "rows": [
            {
                "claim": row.case.name,
                "what": row.case.what,
                "target": row.case.target,
                "figures": {library: row.figure(library) for library in sorted(row.measured)},
                "ratios": {
                    library: row.ratio(library)
                    for library in sorted(row.measured)
                    if library != peers.OURS
                },
            }
            for row in rows
        ],
    }


def curve_table(rows: Mapping[int, Row]) -> str:
    """Return the points of a curve as plain text: a column for each library."""
    found = libraries_of(rows.values())
    lines = [["", *found]]
    for value, row in rows.items():
        lines.append([f"{value:,}", *(duration(row.figure(library)) for library in found)])
    return _aligned(lines)


def curve(curve: Curve, rows: Mapping[int, Row]) -> dict[str, Any]:
    """Return a curve as JSON knows it; times in nanoseconds of one operation."""
    return {
        "title": curve.title,
        "axis": curve.axis,
        "points": list(rows),
        "figures": {
            library: [row.figure(library) for row in rows.values()]
            for library in libraries_of(rows.values())
        },
    }


def libraries_of(rows: Iterable[Row]) -> list[str]:
    """Return the libraries that were measured, the standard one first, then this one."""
    found = {library for row in rows for library in row.measured}
    first = (peers.STANDARD, peers.OURS)
    return [*first, *sorted(found.difference(first))]


def failures(rows: Iterable[Row]) -> list[str]:
    """Return one line for each measurement that gave no result."""
    return [
        f"{row.case.name}, {library}: {reason}"
        for row in rows
        for library, reason in row.failed.items()
    ]


def absent(cases: Iterable[Case]) -> list[str]:
    """Return a line about the peers of *cases* that are not installed, if there are any."""
    wanted = dict.fromkeys(peer for case in cases for peer in case.peers)
    missing = [peer for peer in wanted if not peers.is_installed(peer)]
    if not missing:
        return []
    return [
        f"not installed, so not measured: {', '.join(missing)} "
        "(pip install -r requirements-bench.txt)"
    ]


def machine() -> list[str]:
    """Return what was compared and where: versions, processor, load."""
    installed = [each for each in peers.PEERS if peers.is_installed(each)]
    packages = [f"{name} {peers.version(name)}" for name in (peers.OURS, *installed)]
    usable, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return [
        f"{date.today()}, {peers.STANDARD} {peers.version(peers.STANDARD)}, "
        + ", ".join([*packages, f"numpy {metadata.version('numpy')}"]),
        f"{processor()}, {usable} of {os.cpu_count()} processors, load {load:.1f}, "
        f"{platform.system()} {platform.release()}",
    ]


def processor() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()
