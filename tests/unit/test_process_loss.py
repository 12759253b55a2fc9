"""A process that was lost: what its parent learns of its end."""

import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession._launch import crash_report, exit_reason
from tests.support import programs_process as programs
from tests.support import run_python, wait_until

METHODS = ["fork", "spawn", "forkserver"]
TIMEOUT = 30.0

# ------------------------------------------------------------------------------------ last words

# Not in this process: pytest has the dumps of its own crash go to a descriptor of its own.
CRASHES = """
import ctypes, faulthandler, os, signal, sys, threading
import procession

def innermost(how):
    if how == "null":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))

def crash(how):
    innermost(how)

def crash_in_a_thread(how):
    thread = threading.Thread(target=innermost, args=(how,))
    thread.start()
    thread.join()

def enable_and_crash(how):
    faulthandler.enable()
    innermost(how)

def crash_into_a_file(how):
    with open(sys.argv[2], "w") as file:
        faulthandler.enable(file)
        innermost(how)

def crash_in_a_fork(how):
    pid = os.fork()
    if pid == 0:
        innermost(how)
    os.waitpid(pid, 0)
    os.abort()

def has_handlers(how):
    return faulthandler.is_enabled()

def run(target, how):
    process = procession.get_context(sys.argv[1]).Process(
        target=target, args=(how,), returns=True
    )
    process.start()
    return process.exception() or process.result()

if __name__ == "__main__":
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_crash_tells_what_and_where(method: str) -> None:
    """In the error and on standard error; the frames of the program, not those of the package."""
    outcome = run_python(CRASHES + "    print(run(crash, 'null'))", method)

    words = outcome.stdout.partition("and gave no result. Its last words:\n")[2].splitlines()
    assert words[:2] == [
        "Fatal Python error: Segmentation fault",
        "Stack (most recent call first):",
    ]
    assert "in string_at" in words[2]
    assert words[3].endswith("in innermost")
    assert words[4].endswith("in crash")
    assert len(words) == 5
    assert "Fatal Python error: Segmentation fault" in outcome.stderr


@pytest.mark.parametrize("method", METHODS)
def test_each_fatal_signal_is_told(method: str) -> None:
    """By the name of the fault; a signal that is no fault has no report."""
    names = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTERM")
    outcome = run_python(
        CRASHES
        + f"    for name in {names}:\n"
        + "        error = run(crash, name)\n"
        + "        print(error.exitcode, error.last_words.partition('\\n')[0])",
        method,
    )

    assert outcome.stdout.replace("Floating point", "Floating-point").splitlines() == [
        "-6 Fatal Python error: Aborted",
        "-7 Fatal Python error: Bus error",
        "-8 Fatal Python error: Floating-point exception",
        "-4 Fatal Python error: Illegal instruction",
        "-11 Fatal Python error: Segmentation fault",
        "-15 ",
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", [(), ("-X", "faulthandler")])
def test_a_program_that_asks_for_dumps_gets_them(method: str, options: tuple[str, ...]) -> None:
    """On standard error, from all threads, once; and in the error, from the thread that crashed."""
    code = CRASHES + "    print(run(enable_and_crash, 'SIGSEGV'))"

    outcome = run_python(code, method, options=options)

    assert "Current thread" in outcome.stdout
    assert "in innermost" in outcome.stdout
    assert outcome.stderr.count("Fatal Python error") == 1
    assert "Current thread" in outcome.stderr


@pytest.mark.parametrize("method", METHODS)
def test_the_thread_that_crashed_is_shown(method: str) -> None:
    """Not the one that waits for it."""
    code = CRASHES + "    faulthandler.enable()\n    print(run(crash_in_a_thread, 'null'))"

    outcome = run_python(code, method)

    assert "in innermost" in outcome.stdout
    assert "crash_in_a_thread" not in outcome.stdout.partition("in innermost")[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_dump_that_goes_to_a_file_goes_there(method: str, tmp_path: Path) -> None:
    """And nowhere else."""
    file = tmp_path / "dump"

    outcome = run_python(
        CRASHES + "    print(run(crash_into_a_file, 'SIGSEGV'))", method, str(file)
    )

    assert "in crash_into_a_file" in file.read_text()
    assert outcome.stdout.endswith("was killed by SIGSEGV and gave no result\n")
    assert outcome.stderr == ""


@pytest.mark.parametrize("method", METHODS)
def test_the_crash_of_a_fork_is_not_taken_for_that_of_the_child(method: str) -> None:
    """Both crash: the report of the fork is on standard error only."""
    outcome = run_python(CRASHES + "    print(run(crash_in_a_fork, 'SIGSEGV'))", method)

    assert "Segmentation fault" not in outcome.stdout
    assert "Fatal Python error: Aborted" in outcome.stdout
    assert "Segmentation fault" in outcome.stderr


def test_a_program_with_handlers_of_its_own_keeps_them() -> None:
    """Such a signal may be part of its work."""
    code = CRASHES + (
        "    signal.signal(signal.SIGFPE, lambda *_: print('handled', flush=True))\n"
        "    print(run(has_handlers, ''))\n"
        "    print(run(crash, 'SIGFPE'))"
    )

    outcome = run_python(code, "fork")

    assert outcome.stdout == "False\nhandled\nNone\n"


def test_a_closed_process_has_no_report() -> None:
    """Nor one that was never started."""
    process = procession.Process(target=int)
    assert crash_report.read(process) == ""
    process.start()
    process.join()

    process.close()

    assert crash_report.read(process) == ""


def test_the_error_survives_a_pickle() -> None:
    """With all it says."""
    error = procession.ProcessLostError("message", 12, -11, "Fatal")

    copy = pickle.loads(pickle.dumps(error))

    assert str(copy) == "message"
    assert (copy.pid, copy.exitcode, copy.last_words) == (12, -11, "Fatal")


# ---------------------------------------------------------------------------- killed for memory


class Groups:
    """Control groups as a process sees them, made of files."""

    def __init__(self, root: Path, groups: str, mounts: list[str]):
        self.root = root
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(groups)
        (root / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in mounts))

    def count(self, file: str, number: int) -> None:
        """Set the counter in *file*, below the mount points, to *number*."""
        path = self.root / "cg" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"low 0\noom 3\noom_kill {number}\n")


def mounted(kind: str, top: str = "/", point: str = "/cg", options: str = "rw") -> str:
    """Return a line of mountinfo."""
    return f"30 24 0:26 {top} {point} rw - {kind} {kind} {options}"


V2 = [mounted("cgroup2")]
V1 = [mounted("cgroup", "/", "/cg/memory", "rw,memory")]
HYBRID = [*V1, mounted("cgroup2", "/", "/cg/unified")]


@pytest.fixture
def fresh(monkeypatch: Any, tmp_path: Path) -> Iterator[Any]:
    """Make control groups of files; the counter has not been looked at."""
    monkeypatch.setattr(exit_reason, "_ROOT", str(tmp_path))
    monkeypatch.setattr(exit_reason, "_counting", False)
    monkeypatch.setattr(exit_reason, "_explained", None)
    return lambda groups, mounts: Groups(tmp_path, groups, mounts)


@pytest.mark.bare
@pytest.mark.parametrize(
    ("lines", "mounts", "file"),
    [
        ("0::/a/b\n", V2, "a/b/memory.events"),
        (
            "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n",
            HYBRID,
            "memory/a/b/memory.oom_control",
        ),
        # In a container without a namespace the path is the host's.
        ("0::/docker/123/inner\n", [mounted("cgroup2", "/docker/123")], "inner/memory.events"),
        (
            "4:memory:/docker/123\n",
            [mounted("cgroup", "/docker/123", "/cg/memory", "rw,memory")],
            "memory/memory.oom_control",
        ),
        ("0::/a/b/c\n", V2, "a/memory.events"),  # only an outer group has the controller
        ("0::/\n", V2, "memory.events"),
    ],
)
def test_a_counter_that_moved_explains_a_kill(
    fresh: Any, lines: str, mounts: list[str], file: str
) -> None:
    """Version 1 and 2, nested groups, containers; each kill counted explains one."""
    groups = fresh(lines, mounts)
    groups.count(file, 7)
    exit_reason.count_oom_kills()
    assert exit_reason.describe(-9) == "was killed by SIGKILL"

    groups.count(file, 9)

    for _ in range(2):
        assert "by the out-of-memory killer: this control group ran out of memory" in (
            exit_reason.describe(-9)
        )
    assert exit_reason.describe(-9) == "was killed by SIGKILL"
    assert exit_reason.describe(-15) == "was killed by SIGTERM"


@pytest.mark.bare
def test_the_nearest_group_counts(fresh: Any) -> None:
    """The counter of one around it may have moved because of another group's process."""
    groups = fresh("0::/a/b\n", V2)
    groups.count("a/memory.events", 7)
    groups.count("a/b/memory.events", 1)
    exit_reason.count_oom_kills()

    groups.count("a/memory.events", 8)

    assert exit_reason.describe(-9) == "was killed by SIGKILL"


@pytest.mark.bare
@pytest.mark.parametrize("lines", ["", "0::/\n", "4:cpu:/a\n"])
def test_without_a_counter_the_hint_is_a_possibility(fresh: Any, lines: str) -> None:
    """No group has one, or none that this process can see."""
    groups = fresh(lines, HYBRID)
    groups.count("elsewhere/memory.events", 1)
    exit_reason.count_oom_kills()

    assert "often by the out-of-memory killer: see dmesg" in exit_reason.describe(-9)


@pytest.mark.bare
def test_ends_are_told_in_words() -> None:
    """Exit codes, signals, signals without a name."""
    assert exit_reason.describe(3) == "exited with code 3"
    assert exit_reason.describe(-11) == "was killed by SIGSEGV"
    assert exit_reason.describe(-40) == "was killed by signal 40"


GREEDY = """
import os, sys
import procession

def eat():
    kept = []
    while True:
        kept.append(bytes([1]) * (4 << 20))

if __name__ == "__main__":
    with open(sys.argv[2] + "/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    process = procession.get_context(sys.argv[1]).Process(target=eat)
    process.start()
    print(process.exception(), flush=True)
"""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Make a control group with 128 MB of memory, or skip the test where that is not allowed."""
    root = Path("/sys/fs/cgroup")
    old = (root / "memory").is_dir()
    group = root / ("memory" if old else "") / f"procession-test-{os.getpid()}"
    limit = group / ("memory.limit_in_bytes" if old else "memory.max")
    swap = group / ("memory.memsw.limit_in_bytes" if old else "memory.swap.max")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        limit.write_text(str(128 << 20))
        if swap.exists():
            swap.write_text(str(128 << 20 if old else 0))
        yield group
    except OSError as error:
        pytest.skip(f"a control group's memory cannot be limited: {error}")
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), 10, "the end of its members")
        group.rmdir()


@pytest.mark.bare
@pytest.mark.orphans
@pytest.mark.parametrize("method", METHODS)
def test_a_child_killed_for_memory_is_known_as_such(method: str, small_group: Path) -> None:
    """By the kernel itself."""
    outcome = run_python(GREEDY, method, str(small_group))

    assert "was killed by SIGKILL by the out-of-memory killer" in outcome.stdout, outcome


def test_a_child_killed_by_hand_is_not(ctx: Any) -> None:
    """Where there is a counter."""
    if exit_reason._oom_kills() is None:
        pytest.skip("no control group counts here")
    process = ctx.Process(target=programs.die, args=(signal.SIGKILL,))
    process.start()

    assert "out-of-memory" not in str(process.exception(TIMEOUT))
