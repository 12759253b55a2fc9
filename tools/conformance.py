"""CPython's own tests of multiprocessing on this package: run them, and write docs/conformance.md.

Idea: the harness (a folder outside of this one) runs one suite under one interpreter and one start
method and writes what it found as JSON. This program runs it for each, keeps each result under
.build/conformance, tries what failed with the standard package too, and makes the page from all
results that are there.

Invariant: the page is written only when every suite, version and start method has a result; the
exit code is 1 when a test that counts failed, a test hung, or something was left.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance_page import page
from conformance_results import COUNTED, SUITES, Run, Verdict, read_configuration, read_run

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
RESULTS = ROOT / ".build" / "conformance"
VERSIONS = ("3.11", "3.12", "3.13")
METHODS = ("fork", "spawn", "forkserver")
FUTURES = "test_concurrent_futures"
# Seconds after which a test, and a class of them, has hung: some start two hundred processes, which
# a machine that does other work needs minutes for, with the standard package as well.
LIMITS = ("--test-timeout", "300", "--timeout", "900")

PROBE = (
    "import os, sys, test; print('%d.%d' % sys.version_info[:2], os.path.dirname(test.__file__))"
)
UNLISTED = re.compile(r"^note: test\.(\S+) cannot be listed: (?:.*)$", re.M)


@dataclass(frozen=True)
class Interpreter:
    """An interpreter to run the tests with."""

    path: Path
    version: str  # "3.13"
    tests: Path  # the folder of its package `test`


@dataclass(frozen=True)
class Job:
    """One call of the harness."""

    interpreter: Interpreter
    suite: str
    start: str  # a method, or "all"
    select: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of the file of its results."""
        return file_of(self.suite, self.interpreter.version, self.start)


def file_of(suite: str, version: str, start: str) -> str:
    """Return the name of the file of the results of one run."""
    return f"{suite}-{version}-{start}.json"


def interpreter_at(path: Path) -> Interpreter:
    """Ask the interpreter at *path* for its version and its tests."""
    answer = subprocess.run([path, "-c", PROBE], check=True, capture_output=True, text=True)
    version, _, tests = answer.stdout.strip().partition(" ")
    return Interpreter(path, version, Path(tests))


def main() -> None:
    """Run what the arguments name; exit with 1 if something is wrong with the package."""
    options = parsed()
    interpreters = [interpreter_at(path) for path in options.pythons]
    lenders = [interpreter_at(path) for path in options.tests_of] or interpreters[::-1]
    harness = Harness(options.harness / "conform.py", options.jobs, futures_of(lenders))
    quick = options.quick or bool(options.select)
    folder = RESULTS / "some" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    good = True
    for job in jobs(options, interpreters):
        run = harness.run(job, folder)
        print(*told(run), sep="\n", flush=True)
        good = good and run.good
    if not quick:
        good = write_page(options.jobs) and good
    sys.exit(not good)


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description="Run CPython's own tests of multiprocessing.")
    parser.add_argument("harness", type=Path, help="the folder of conform.py")
    parser.add_argument("--pythons", type=Path, nargs="+", required=True, help="interpreters")
    parser.add_argument(
        "--tests-of", type=Path, nargs="*", default=[], help="lends its tests of concurrent.futures"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--suites", nargs="+", choices=list(SUITES), default=list(SUITES))
    parser.add_argument("--quick", action="store_true", help="the selection of conformance.toml")
    parser.add_argument("--select", action="append", default=[], help="part of a test's name")
    parser.add_argument("--jobs", type=int, default=2, help="classes at once")
    return parser.parse_args()


def jobs(options: argparse.Namespace, interpreters: list[Interpreter]) -> Iterator[Job]:
    """Yield what is to be run."""
    if options.quick:
        for start, select in read_configuration().quick.items():
            yield Job(interpreters[-1], "mp", start, tuple(select))
        return
    for interpreter in interpreters:
        for suite in options.suites:
            for start in options.methods if suite == "mp" else ["all"]:
                yield Job(interpreter, suite, start, tuple(options.select))


def has_futures(tests: Path) -> bool:
    """Return whether the tests of ``concurrent.futures`` are in the folder *tests*."""
    return (tests / FUTURES).is_dir() or (tests / f"{FUTURES}.py").exists()


def futures_of(lenders: list[Interpreter]) -> Path | None:
    """Return the folder of the first of *lenders* that has the tests of ``concurrent.futures``."""
    return next((each.tests for each in lenders if has_futures(each.tests)), None)


@dataclass(frozen=True)
class Harness:
    """The harness, and how it is called."""

    program: Path
    jobs: int
    futures: Path | None  # the tests of concurrent.futures for interpreters that have none

    def run(self, job: Job, folder: Path) -> Run:
        """Run *job*, leave its results in *folder* and return them."""
        file = folder / job.file
        before = processor_seconds()
        package = ("--package", "procession", "--path", str(ROOT / "src"), "--rerun", "1")
        report = self.call(job, file, *package)
        data = json.loads(file.read_text())
        data["measured"] = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "processor_seconds": round(processor_seconds() - before, 1),
            "unlisted": UNLISTED.findall(report),
            "shared_memory": "note: /dev/shm was shared" not in report,
            "standard": {},
        }
        file.write_text(json.dumps(data, indent=1))
        configuration = read_configuration()
        run = read_run(file, configuration)
        if not run.count(Verdict.FAILED):
            return run
        data["measured"]["standard"] = self.standard(job, run, folder)
        file.write_text(json.dumps(data, indent=1))
        return read_run(file, configuration)

    def standard(self, job: Job, run: Run, folder: Path) -> dict[str, str]:
        """Return what the standard package gave for the failures of *run*, where that is not ok."""
        failed = {
            each.identity: each.status
            for each in run.outcomes
            if each.verdict is Verdict.FAILED and each.identity.startswith("test.")
        }
        if not failed:
            return {}
        # Python 3.12.1 does not announce a test that it skips, and one that is alone gives no
        # result then: what was skipped is asked for with all of its class.
        select = {
            f"{name.rpartition('.')[0]}." if status == "missing" else name
            for name, status in failed.items()
        }
        file = folder / f"standard-{job.file}"
        self.call(Job(job.interpreter, job.suite, job.start, tuple(select)), file)
        tests: dict[str, dict[str, Any]] = json.loads(file.read_text())["tests"]
        return {name: word(tests[name]) for name in failed if tests[name]["status"] != "ok"}

    def call(self, job: Job, file: Path, *arguments: str) -> str:
        """Call the harness for *job*; its results go to *file*, its report beside them.

        Returns:
            What it said.
        Raises:
            SystemExit: it wrote no results; the message is what it said.
        """
        file.unlink(missing_ok=True)
        command = [sys.executable, str(self.program), "--python", str(job.interpreter.path)]
        command += ["--suite", job.suite, "--start", job.start, "--json", str(file), "--quiet"]
        command += ["--jobs", str(self.jobs), *LIMITS, *arguments]
        command += [word for name in job.select for word in ("--select", name)]
        lacking = job.suite == "futures" and not has_futures(job.interpreter.tests)
        if lacking and self.futures:
            command += ["--tests-from", str(self.futures)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        file.with_suffix(".txt").write_text(done.stdout + done.stderr)
        if not file.exists():
            raise SystemExit(
                f"{' '.join(command)}: exit code {done.returncode}, no results\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout + done.stderr


def word(row: dict[str, Any]) -> str:
    """Return a result of the harness in short."""
    return "skip" if row["status"] == "skip" else f"{row['status']}: {row['message']}"


def processor_seconds() -> float:
    """Return what ended children have used of the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def told(run: Run) -> Iterator[str]:
    """Yield the lines that tell a run's results on a terminal."""
    yield (
        f"{run.title}: passed {run.count(Verdict.PASSED)} of {run.count(*COUNTED)}, "
        f"hangs {run.hangs}, leaks {len(run.leaks)}; {run.seconds:.0f} s on the clock, "
        f"{run.processor_seconds:.0f} s of the processor"
    )
    for one in run.outcomes:
        if one.verdict is Verdict.FAILED or one.status == "hang":
            yield f"  {one.status}: {one.identity}\n    {one.message}"
        elif one.status == "ok" and one.before:
            yield f"  at the second try: {one.identity}\n    {'; '.join(one.before)}"
    yield from (f"  left over: {leak}" for leak in run.leaks)


def write_page(jobs: int) -> bool:
    """Write the page, if all results are there; else say which are not.

    Returns:
        False if a test that conformance.toml lists as failing passes everywhere.
    """
    wanted = [file_of("mp", version, start) for version in VERSIONS for start in METHODS]
    others = [suite for suite in SUITES if suite != "mp"]
    wanted += [file_of(suite, version, "all") for suite in others for version in VERSIONS]
    if missing := [name for name in wanted if not (RESULTS / name).exists()]:
        print(f"{PAGE.name} is not written; no results yet: {', '.join(missing)}")
        return True
    configuration = read_configuration()
    runs = [read_run(RESULTS / name, configuration) for name in wanted]
    PAGE.write_text(page(runs, jobs, machine()))
    print(f"{PAGE} is written")
    seen = {one.difference for run in runs for one in run.outcomes if one.status != "ok"}
    stale = [each.test for each in configuration.differences if each not in seen]
    if stale:
        print(f"these pass, take them from conformance.toml: {', '.join(stale)}")
    return not stale


def machine() -> str:
    """Return what the tests ran on."""
    return f"{os.cpu_count()} processors, {platform.system()} {platform.release()}"


if __name__ == "__main__":
    main()
