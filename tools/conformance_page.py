"""docs/conformance.md, from the results of CPython's own tests.

Idea: a table says how many tests passed of those that count, and lists below it name every other
test once, with its reason and the runs where it was so.

Invariant: each number is counted from results that are there; nothing on the page is written by
hand but what explains it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from conformance_results import BAD, COUNTED, SUITES, Outcome, Run, Verdict

INTRODUCTION = """\
# Conformance

CPython tests `multiprocessing` with a suite of its own. Here that suite runs with Procession in
the place of `multiprocessing`, under every supported interpreter and start method.

    make conformance                                all of it, and writes this page
    make conformance VERSIONS=3.13 METHODS=spawn    some of it; the page, if the rest was run before
    make conformance-quick                          the selection that the gate runs

The harness of these tests is a folder of its own, which `CONFORM` names. It puts the package where
the interpreter has `multiprocessing`, runs each class of tests in a process of its own, and looks
for processes and files of `/dev/shm` that are left after it.
"""

COLUMNS = """\
- **passed** of the tests that count: those that are not in the next three columns.
- **skipped**: as the standard package skips them here. A test that only this package skips has not
  passed.
- **private**: tests of the standard package's insides, which the harness exempts. They run all the
  same; before the slash stand those that pass.
- **differences**: tests that a [deliberate difference](compat.md) fails.
- **leaks**: processes, and files of `/dev/shm`, five seconds after a class of tests.
- **time**: on the clock, with {jobs} classes at once, and the processor's. The clock's is longer
  where the machine does other work."""

STANDARD = """\
- **standard fails**: the standard package does not pass these here either; they do not count."""


def page(runs: Iterable[Run], jobs: int, machine: str) -> str:
    """Return the page for *runs*, in their order."""
    runs = list(runs)
    standard = [run for run in runs if run.suite == "mp"]
    others = [run for run in runs if run.suite != "mp"]
    return "\n".join(
        [
            INTRODUCTION,
            "## The tests of `multiprocessing`\n",
            *table(standard, "start method", lambda run: run.start),
            "",
            COLUMNS.format(jobs=jobs),
            *([STANDARD] if any(run.count(Verdict.STANDARD) for run in runs) else []),
            f"\n{days(runs)}, on {machine}.\n",
            "## The tests of other modules\n",
            OTHERS,
            *table(others, "suite", lambda run: SUITES[run.suite]),
            "",
            *untried(runs),
            *reasons(runs),
            "",
        ]
    )


OTHERS = """\
`concurrent.futures` has a pool of processes that stands on `multiprocessing`; logging, asyncio,
compileall, venv and others use it in their tests. An interpreter that is installed without the
tests of `concurrent.futures` runs another's: of CPython 3.10, if that is there.
"""


def days(runs: list[Run]) -> str:
    """Return when *runs* were made."""
    dates = sorted({run.date for run in runs})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def table(runs: list[Run], what: str, of: Callable[[Run], str]) -> Iterator[str]:
    """Yield the lines of a table with a row for each of *runs*."""
    beside = any(run.count(Verdict.STANDARD) for run in runs)
    titles = ["passed", "skipped", "private", "differences"]
    titles += [*(["standard fails"] if beside else []), "hangs", "leaks", "time"]
    yield f"| Python | {what} | {' | '.join(titles)} |"
    yield f"|---|---|{'--:|' * len(titles)}"
    for run in runs:
        exempt = [each for each in run.outcomes if each.verdict is Verdict.PRIVATE]
        cells = [
            f"{run.count(Verdict.PASSED)} of {run.count(*COUNTED)}",
            str(run.count(Verdict.SKIPPED)),
            f"{sum(each.status == 'ok' for each in exempt)}/{len(exempt)}",
            str(run.count(Verdict.DIFFERENCE)),
            *([str(run.count(Verdict.STANDARD))] if beside else []),
            str(run.hangs),
            str(len(run.leaks)),
            f"{run.seconds:.0f} s ({run.processor_seconds:.0f} s)",
        ]
        yield f"| {run.release} | {of(run)} | {' | '.join(cells)} |"


def untried(runs: list[Run]) -> Iterator[str]:
    """Yield which modules of tests an interpreter cannot even import."""
    for run in runs:
        if run.unlisted:
            names = ", ".join(f"`{name}`" for name in run.unlisted)
            yield f"Python {run.release} cannot import {names} of another's tests.\n"


def reasons(runs: list[Run]) -> Iterator[str]:
    """Yield the lists of what did not pass, and why."""
    yield "## What did not pass\n"
    yield from section(runs, "Faults", "Nothing.", Verdict.FAILED, lambda one: one.message)
    for run in runs:
        yield from (f"- left over under {run.title}: {leak}" for leak in run.leaks)
    yield from section(runs, "Deliberate differences", "None.", Verdict.DIFFERENCE, difference)
    yield from section(
        runs, "Private details", "None.", Verdict.PRIVATE, lambda one: str(one.private)
    )
    yield from section(
        runs,
        "What the standard package does not pass here either",
        "Nothing.",
        Verdict.STANDARD,
        lambda one: f"with the standard package: {one.standard}",
    )
    yield "### Passed at the second try\n"
    yield "A test that was not ok is run once more; then it counts by that.\n"
    yield from by_test(
        runs,
        lambda one: bool(one.before) and one.verdict is Verdict.PASSED,
        lambda one: f"before: {'; '.join(one.before)}",
    ) or ["None."]


def section(
    runs: list[Run], title: str, none: str, verdict: Verdict, why: Callable[[Outcome], str]
) -> Iterator[str]:
    """Yield a heading and the tests of *verdict* below it."""
    yield f"### {title}\n"
    yield from by_test(runs, lambda one: one.verdict is verdict and one.status in BAD, why) or [
        none
    ]
    yield ""


def difference(one: Outcome) -> str:
    """Return the reason of a deliberate difference, with its line of the list."""
    assert one.difference is not None
    return f"{one.difference.reason} In [what differs](compat.md): “{one.difference.compat} ...”"


def by_test(
    runs: list[Run], wanted: Callable[[Outcome], bool], why: Callable[[Outcome], str]
) -> list[str]:
    """Return a line for each test that is *wanted* in one of *runs*, with the runs where it is."""
    found: dict[str, list[tuple[Run, Outcome]]] = defaultdict(list)
    for run in runs:
        for one in run.outcomes:
            if wanted(one):
                found[one.name].append((run, one))
    return [
        f"- `{name}` ({where([run for run, _ in cases], runs)}): {plain(why(cases[0][1]))}"
        for name, cases in sorted(found.items())
    ]


def where(some: list[Run], runs: list[Run]) -> str:
    """Return where a test was so: in short, if everywhere."""
    of_suite = [run for run in runs if run.suite == some[0].suite]
    if all(run in some for run in of_suite):
        return "everywhere"
    starts: dict[str, list[str]] = defaultdict(list)
    for run in dict.fromkeys((run.version, run.start) for run in some):
        starts[run[0]].append(run[1])
    return "; ".join(
        version if methods == ["all"] else f"{version} {', '.join(methods)}"
        for version, methods in starts.items()
    )


def plain(text: str) -> str:
    """Return *text* in one line in which nothing means anything to Markdown."""
    line = " ".join(text.split())
    if "](" not in line and "`" not in line:
        for character in "\\*_<[":
            line = line.replace(character, f"\\{character}")
    return line
