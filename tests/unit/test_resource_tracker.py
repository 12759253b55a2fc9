"""Which process removes a segment of shared memory, and what the resource tracker removes."""

import os
import signal
from pathlib import Path

import pytest

from procession import resource_tracker
from procession.shared_memory import ShareableList, SharedMemory
from tests.support import run_python, start_python, wait_until

# The tracker of a program that has ended comes to the test process, and ends.
pytestmark = [pytest.mark.orphans, pytest.mark.usefixtures("tracker")]

FOLDER = Path(resource_tracker.SHARED_MEMORY_FOLDER)
UNIQUE = f"procession-test-{os.getpid()}"


def test_a_program_that_only_attaches_never_removes(segment: SharedMemory) -> None:
    """There is no warning either: a correct program of another family is silent."""
    code = f"""
        from procession.shared_memory import SharedMemory
        mem = SharedMemory({segment.name!r}); mem.buf[0] = 9; mem.close()
    """
    outcome = run_python(code)

    assert (outcome.exitcode, outcome.stderr) == (0, "")
    assert segment.buf[0] == 9
    assert (FOLDER / segment.name).exists()


def test_the_standard_package_attaches(segment: SharedMemory) -> None:
    """A segment has the same name in both packages, whichever made it."""
    code = f"""
        import sys
        from multiprocessing import resource_tracker, shared_memory
        mem = shared_memory.SharedMemory({segment.name!r})
        mem.buf[:3] = b"std"
        resource_tracker.unregister(mem._name, "shared_memory")
        mem.close()
        made = shared_memory.ShareableList(["a", 1, None, 2.5, b"b", "é"])
        print(made.shm.name, flush=True)
        sys.stdin.readline()
        made.shm.unlink()
    """
    with start_python(code) as program:
        theirs = ShareableList(name=program.read_line())
        values = list(theirs)
        program.write_line("done")
        outcome = program.finish()

    assert outcome.exitcode == 0, outcome.stderr
    assert bytes(segment.buf[:3]) == b"std"
    assert values == ["a", 1, None, 2.5, b"b", "é"]


MAKER = """
    import sys
    from procession.shared_memory import SharedMemory
    mem = SharedMemory(create=True, size=100)
    print(mem.name, flush=True)
    sys.stdin.readline()
"""


def is_gone(name: str) -> bool:
    return not (FOLDER / name).exists()


def test_what_a_killed_program_made_is_removed() -> None:
    """The tracker removes it, with a warning."""
    with start_python(MAKER) as program:
        name = program.read_line()
        program.kill()
        wait_until(lambda: is_gone(name))


def test_what_a_program_does_not_remove_is_removed_with_a_warning() -> None:
    outcome = run_python(MAKER)

    assert "There appear to be 1 leaked shared_memory objects to clean up" in outcome.stderr
    assert is_gone(outcome.stdout.strip())


def test_a_correct_program_is_silent() -> None:
    """Children make segments, the parent removes them, before and after there was a tracker."""
    code = """
        import procession
        from procession.shared_memory import SharedMemory

        def make(queue):
            queue.put(SharedMemory(create=True, size=10).name)

        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                ctx = procession.get_context(method)
                queue = ctx.Queue()
                process = ctx.Process(target=make, args=(queue,))
                process.start()
                process.join()
                mem = SharedMemory(queue.get())
                mem.buf[9] = 1
                mem.unlink()
    """
    outcome = run_python(code)

    assert (outcome.exitcode, outcome.stderr) == (0, "")


def test_a_killed_family_leaves_nothing() -> None:
    """Parent and child have made one segment each."""
    code = """
        import procession, sys
        from procession.shared_memory import SharedMemory

        def make(queue, go_on):
            queue.put((SharedMemory(create=True, size=10).name, procession.current_process().pid))
            go_on.get()

        if __name__ == "__main__":
            mine = SharedMemory(create=True, size=10)
            queue, go_on = procession.Queue(), procession.Queue()
            procession.Process(target=make, args=(queue, go_on)).start()
            print(mine.name, *queue.get(), flush=True)
            sys.stdin.readline()
    """
    with start_python(code) as program:
        mine, its, pid = program.read_line().split()
        assert not is_gone(mine)
        program.kill()
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: is_gone(mine) and is_gone(its))


@pytest.mark.parametrize("step", ["_commit", "_link", "resource_tracker.register", "mmap.mmap"])
def test_a_program_killed_while_it_makes_one_leaves_nothing(step: str) -> None:
    """It is killed before and after each step."""
    for moment in ("before", "after"):
        code = f"""
            import os
            from procession.shared_memory import SharedMemory, _segment

            def deadly(function):
                def call(*args):
                    {"result = function(*args)" if moment == "after" else "pass"}
                    os.kill(os.getpid(), 9)
                return call

            *inside, name = {step!r}.split(".")
            module = getattr(_segment, inside[0]) if inside else _segment
            setattr(module, name, deadly(getattr(module, name)))
            SharedMemory({UNIQUE + step!r}, create=True, size=10)
        """
        outcome = run_python(code)

        assert outcome.exitcode == -signal.SIGKILL
        wait_until(lambda: is_gone(UNIQUE + step))


def test_a_file_that_has_taken_the_name_since_is_not_removed() -> None:
    """The tracker knows the file, not only its name."""
    with start_python(MAKER) as program:
        name = program.read_line()
        os.unlink(FOLDER / name)
        (FOLDER / name).write_text("another program's")
        outcome = program.finish("\n")

    assert (outcome.exitcode, outcome.stderr) == (0, "")
    assert (FOLDER / name).read_text() == "another program's"
    os.unlink(FOLDER / name)


def test_tracking_follows_the_argument() -> None:
    """``track=False`` leaves what was made, ``track=True`` removes what was attached."""
    code = f"""
        from procession.shared_memory import SharedMemory
        SharedMemory("{UNIQUE}-kept", create=True, size=10, track=False)
    """
    outcome = run_python(code)
    assert (outcome.exitcode, outcome.stderr) == (0, "")
    kept = SharedMemory(f"{UNIQUE}-kept")
    kept.close()

    code = f"""
        from procession.shared_memory import SharedMemory
        SharedMemory("{UNIQUE}-kept", track=True)
    """
    outcome = run_python(code)

    assert "1 leaked shared_memory" in outcome.stderr
    assert is_gone(f"{UNIQUE}-kept")


def test_a_killed_tracker_is_replaced() -> None:
    """The new one is told which segments this process has."""
    code = """
        import os, signal, sys
        from procession import resource_tracker
        from procession.shared_memory import SharedMemory
        first = SharedMemory(create=True, size=10)
        tracker = resource_tracker._resource_tracker
        os.kill(tracker._pid, signal.SIGKILL)
        os.waitid(os.P_PID, tracker._pid, os.WEXITED | os.WNOWAIT)
        second = SharedMemory(create=True, size=10)
        print(first.name, second.name, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    outcome = run_python(code)
    first, second = outcome.stdout.split()

    wait_until(lambda: is_gone(first) and is_gone(second))


def test_the_tracker_survives_ctrl_c_and_holds_no_output_open() -> None:
    code = """
        import os, signal, time
        from procession import resource_tracker
        resource_tracker.ensure_running()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(resource_tracker._resource_tracker._pid, number)
        resource_tracker._resource_tracker._stop()
        print(resource_tracker._resource_tracker._exitcode)
    """
    assert run_python(code).stdout == "0\n"


def test_names_are_registered_by_libraries_too() -> None:
    """They use the interface of the standard module."""
    code = f"""
        from procession import resource_tracker
        resource_tracker.register("/{UNIQUE} with: strange\\nname", "shared_memory")
        resource_tracker.unregister("never registered", "shared_memory")
    """
    path = FOLDER / f"{UNIQUE} with: strange\nname"
    path.touch()
    outcome = run_python(code)

    assert "1 leaked shared_memory" in outcome.stderr
    assert not path.exists()
    with pytest.raises(ValueError, match="too long"):
        resource_tracker.register("x" * 5000, "shared_memory")
