"""What a run of CPython's own tests says: each test, and why it counts or does not.

Idea: the harness writes every result of a run as JSON. A test that was not ok is one of four
things: private (the harness lists it as a test of the standard package's insides), a deliberate
difference (listed in conformance.toml, with its line of docs/compat.md), a test that the standard
package does not pass here either, or a fault.

Invariant: each test of a run has one verdict; only those of `COUNTED` count, and of those only
`Verdict.PASSED` is good.
"""

from __future__ import annotations

import enum
import fnmatch
import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUITES = {
    "mp": "`test_multiprocessing_*`",
    "futures": "`test_concurrent_futures`, processes",
    "users": "other modules' tests that use it",
}
BAD = ("fail", "error", "hang", "crash", "missing")  # the harness' words
TYPES = re.compile(r"With(?:Processes|Threads|Manager)(Test.*)")
CONFIGURATION = Path(__file__).with_name("conformance.toml")


class Verdict(enum.Enum):
    """What a test's result means."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # and so the standard package's is
    PRIVATE = "private"
    DIFFERENCE = "difference"
    STANDARD = "standard"  # the standard package does not pass it here either


COUNTED = (Verdict.PASSED, Verdict.FAILED)


@dataclass(frozen=True)
class Difference:
    """A test that a deliberate difference fails."""

    test: str  # Class.test as in CPython's source; may hold wildcards
    reason: str
    compat: str  # how the line of docs/compat.md begins


@dataclass(frozen=True)
class Configuration:
    """The file conformance.toml."""

    differences: tuple[Difference, ...]
    quick: dict[str, list[str]]  # start method -> what the harness' --select takes


@dataclass(frozen=True)
class Outcome:
    """The result of one test in one run."""

    name: str  # Class.test as in CPython's source
    identity: str
    status: str
    message: str
    private: str | None  # why the harness exempts it
    difference: Difference | None
    standard: (
        str | None
    )  # what the standard package gave, asked after a failure, if that was not ok
    before: tuple[str, ...]  # results of earlier tries, if it had to be tried again

    @property
    def verdict(self) -> Verdict:
        """What the result means."""
        if self.status == "skip" or (self.status == "missing" and self.standard == "skip"):
            return Verdict.SKIPPED
        if self.private:
            return Verdict.PRIVATE
        if self.status == "ok":
            return Verdict.PASSED
        if self.difference:
            return Verdict.DIFFERENCE
        return Verdict.STANDARD if self.standard else Verdict.FAILED


@dataclass(frozen=True)
class Run:
    """The results of one suite under one interpreter and one start method, or all ("all")."""

    suite: str
    version: str  # "3.13"
    release: str  # "3.13.0"
    start: str
    date: str
    seconds: float  # on the clock
    processor_seconds: float
    outcomes: tuple[Outcome, ...]
    leaks: tuple[str, ...]  # processes, and files of /dev/shm if each class had its own
    unlisted: tuple[str, ...]  # modules of tests that the interpreter cannot import

    def count(self, *verdicts: Verdict) -> int:
        """Return how many tests have one of *verdicts*."""
        counts = Counter(outcome.verdict for outcome in self.outcomes)
        return sum(counts[verdict] for verdict in verdicts)

    @property
    def hangs(self) -> int:
        """How many tests did not end, exempt ones included."""
        return sum(outcome.status == "hang" for outcome in self.outcomes)

    @property
    def good(self) -> bool:
        """No test failed that counts, none hung, nothing was left, and all could be tried.

        Not all of them can where an interpreter runs another's tests.
        """
        untried = self.unlisted if self.suite != "futures" else ()
        return not (self.count(Verdict.FAILED) or self.hangs or self.leaks or untried)

    @property
    def title(self) -> str:
        """The run in a few words."""
        return f"{self.suite}, Python {self.release}, {self.start}"


def read_configuration(path: Path = CONFIGURATION) -> Configuration:
    """Read conformance.toml."""
    data = tomllib.loads(path.read_text())
    return Configuration(
        differences=tuple(Difference(**each) for each in data["difference"]),
        quick=data["quick"],
    )


def read_run(path: Path, configuration: Configuration) -> Run:
    """Read the results that the harness wrote to *path*, with the runner's additions."""
    data = json.loads(path.read_text())
    rows = [*data["tests"].items(), *((row["id"], row) for row in data["extra"])]
    release = data["python"].split()[0]
    return Run(
        suite=data["suite"],
        version=".".join(release.split(".")[:2]),
        release=release,
        start=data["start"],
        date=data["measured"]["date"],
        seconds=data["seconds"],
        processor_seconds=data["measured"]["processor_seconds"],
        outcomes=tuple(
            outcome(identity, row, configuration, data["measured"]["standard"])
            for identity, row in rows
        ),
        leaks=tuple(
            f"{leak['kind']} {leak['what']}, after {leak['class']}"
            for leak in data["leaks"]
            if leak["kind"] in counted_leaks(data["measured"])
        ),
        unlisted=tuple(data["measured"]["unlisted"]),
    )


def counted_leaks(measured: dict[str, Any]) -> set[str]:
    """Return which kinds of leaks count: not temporary files, which the tests themselves leave.

    Nor files of /dev/shm where the harness cannot give each class of tests its own, which takes
    root: they may be those of any other program.
    """
    return {"process", "/dev/shm"} if measured.get("shared_memory", True) else {"process"}


def outcome(
    identity: str, row: dict[str, Any], configuration: Configuration, standard: dict[str, str]
) -> Outcome:
    """Return one row of the harness' results, with the reasons why it may not count."""
    name = f"{source_class(row['class'])}.{identity.split(' (')[0].rpartition('.')[2]}"
    return Outcome(
        name=name,
        identity=identity,
        status=row["status"],
        message=row["message"],
        private=row["private"],
        difference=next(
            (each for each in configuration.differences if fnmatch.fnmatchcase(name, each.test)),
            None,
        ),
        standard=standard.get(identity),
        before=tuple(row.get("before", ())),
    )


def source_class(name: str) -> str:
    """Return a class' name in CPython's source: ``_TestLock`` of ``WithThreadsTestLock``."""
    match = TYPES.fullmatch(name)
    return f"_{match[1]}" if match else name
