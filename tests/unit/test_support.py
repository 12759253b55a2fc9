"""The tests' own helpers: a leak check that finds nothing must be one that could have found it."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support import run_python, start_python, wait_until
from tests.support.crash import crash_points
from tests.support.leaks import Inventory
from tests.support.structure import cycles

pytestmark = pytest.mark.bare


def test_a_child_left_is_found() -> None:
    """With its command line, so that one knows which."""
    before = Inventory.take()
    with subprocess.Popen(["sleep", "1000"]) as child:
        found = Inventory.take().more_than(before)
        child.kill()

    assert [line for line in found if f"process {child.pid}" in line and "sleep" in line]


def test_an_orphan_left_is_found() -> None:
    """A grandchild whose parent was killed comes to the test process."""
    before = Inventory.take()
    orphan = int(subprocess.check_output(["sh", "-c", "sleep 1000 >/dev/null & echo $!"]))
    wait_until(lambda: Inventory.take().more_than(before))

    found = Inventory.take().more_than(before)
    os.kill(orphan, signal.SIGKILL)
    os.waitpid(orphan, 0)

    assert any(f"process {orphan}" in line for line in found)


def test_a_descriptor_left_is_found() -> None:
    """By kind: its number says nothing."""
    before = Inventory.take()
    read_end, write_end = os.pipe()
    found = Inventory.take().more_than(before)
    os.close(read_end)
    os.close(write_end)

    assert found == ["2 open pipe"]


def test_a_thread_left_is_found() -> None:
    """By name."""
    before = Inventory.take()
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="forgotten")
    thread.start()
    found = Inventory.take().more_than(before)
    ended.set()
    thread.join()

    assert "thread forgotten" in found


def test_a_shared_memory_file_left_is_found() -> None:
    """By path."""
    before = Inventory.take()
    path = Path(f"/dev/shm/procession-selftest-{os.getpid()}")
    path.touch()
    found = Inventory.take().more_than(before)
    path.unlink()

    assert str(path) in found


def test_a_program_gives_output_and_exit_code() -> None:
    """Arguments and input arrive; both streams come back apart."""
    code = """
        import sys
        print(sys.argv[1], input())
        sys.exit("refused")
    """

    outcome = run_python(code, "one", stdin="two\n")

    assert (outcome.stdout, outcome.stderr, outcome.exitcode) == ("one two\n", "refused\n", 1)


@pytest.mark.orphans
def test_a_program_that_is_stuck_is_ended_with_its_children() -> None:
    """Neither may outlive the call."""
    code = """
        import subprocess
        subprocess.run(["sleep", "1000"])
    """

    with pytest.raises(subprocess.TimeoutExpired):
        run_python(code, timeout=0.5)


@pytest.mark.orphans
def test_what_a_killed_program_leaves_is_ended() -> None:
    """The child outlives its killed parent only until the end of the block."""
    code = """
        import subprocess
        child = subprocess.Popen(["sleep", "1000"])
        print(child.pid, flush=True)
        child.wait()
    """

    with start_python(code) as program:
        child = int(program.read_line())
        program.kill()
        assert Path(f"/proc/{child}").exists()

    wait_until(lambda: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z")


def test_waiting_for_a_state_that_never_comes_fails_in_time() -> None:
    """With what was waited for in the message."""
    began = time.monotonic()

    with pytest.raises(AssertionError, match=r"rain: not so after 0\.05 s"):
        wait_until(lambda: False, timeout=0.05, message="rain")

    assert time.monotonic() - began >= 0.05


def test_unknown_crash_points_are_refused() -> None:
    """Otherwise a renamed point would silence its tests."""
    with pytest.raises(LookupError, match=r"no\.such\.point"):
        crash_points("no.such.point")


def test_cycles_are_found() -> None:
    """Two of them, and what merely leads into one is none."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"d"}, "f": {"f", "a"}}

    assert sorted(cycles(graph)) == [["a", "b", "c"], ["d", "e"]]
