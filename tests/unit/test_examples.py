"""The main job, and the benchmarks' own machinery."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import wait_until
from tests.support.commands import run_command
from tests.support.programs import kill_session

# A program's fork server ends after the program: its end is collected here.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

ROOT = Path(__file__).resolve().parents[2]
JOB = str(ROOT / "examples" / "index_sources.py")
COMPARE = str(ROOT / "examples" / "run_main_job.py")


def output(*command: str) -> str:
    """Run a command, which must end well, in the repository; return what it printed."""
    outcome = run_command([sys.executable, *command], ROOT, timeout=50)
    assert outcome.exitcode == 0, outcome.stderr
    return outcome.stdout


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_main_job_prints_the_same_under_both_packages(method: str) -> None:
    """With each start method."""
    printed = output(COMPARE, "--limit", "30", "--start", method)

    assert "both printed the same result" in printed
    assert "files could not be tokenized" in printed


def test_the_main_job_prints_the_same_with_any_number_of_workers() -> None:
    """The order in which results come makes no difference."""
    command = ("-m", "procession", "run", JOB, "--limit", "30", "--workers")

    assert output(*command, "1") == output(*command, "3")


def test_the_main_job_reports_files_that_cannot_be_tokenized(tmp_path: Path) -> None:
    """They travel through a queue to another process, which prints them in order."""
    (tmp_path / "good.py").write_text("name = 1\n")
    for name in ("b_bad.py", "a_bad.py"):
        (tmp_path / name).write_bytes(b"# coding: no-such-coding\n")
    code = f"""
import runpy, sys, sysconfig
from pathlib import Path
sysconfig.get_path = lambda name: {str(tmp_path)!r}
runpy.run_path({JOB!r}, run_name="__main__")
"""

    printed = output("-m", "procession", "run", "-c", code, "--start", "fork")

    assert printed.splitlines()[:4] == [
        "2 files could not be tokenized",
        "  a_bad.py: SyntaxError",
        "  b_bad.py: SyntaxError",
        "       1 name",
    ]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_nothing_is_left_of_the_main_job_when_its_root_is_killed(method: str) -> None:
    """By SIGKILL, in the midst of its work: workers, logger and fork server end as well."""
    command = [sys.executable, "-m", "procession", "run", JOB, "--start", method]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as job:
        assert job.stderr is not None
        assert "0 %" in job.stderr.readline()  # the first result is there
        try:
            job.kill()
            job.wait()

            wait_until(lambda: not living(job.pid), 5, "the end of the job's processes")
        finally:
            kill_session(job.pid)


def living(session: int) -> list[int]:
    """Return the pids of what still runs of a session; zombies do not."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        if int(its_session) == session and state != "Z":
            found.append(int(folder.name))
    return found


# -------------------------------------------------------------------------------- the benchmarks


def test_a_benchmark_run_prints_a_row_for_each_claim_chosen(tmp_path: Path) -> None:
    """With the ratio, and the target it is compared with; in Markdown as well."""
    file = tmp_path / "table.md"

    printed = output("-m", "benchmarks", "--quick", "lock", "--markdown", str(file))

    row = next(line for line in printed.splitlines() if line.startswith("lock acquire"))
    assert " ns " in row
    assert "1 met" in row or "1 MISSED" in row
    assert "| lock acquire, release |" in file.read_text()
    assert "with lock" not in printed


@pytest.mark.parametrize("library", ["multiprocessing", "procession"])
def test_every_claim_that_needs_no_extra_package_can_be_measured(library: str) -> None:
    """One measurement gives nanoseconds: a figure, and parts that are spread around it."""
    for claim in ("queue-2-2", "pool-imap", "pool-apply", "simple-ping-pong"):
        result = json.loads(output("-m", "benchmarks.programs.once", claim, library, "0.01"))

        assert result["figure"] > 0
        assert all(part > 0 for part in result["parts"])


def test_a_measurement_that_fails_is_reported_and_gates_nothing() -> None:
    """The run goes on, ends well, and says what happened."""
    code = """
import sys
from benchmarks import __main__, peers
peers.OURS = "no_such_package"
peers.version = str
sys.argv[1:] = ["--quick", "lock"]
__main__.main()
"""

    printed = output("-c", code)

    assert "lock, no_such_package: ModuleNotFoundError: No module named" in printed
