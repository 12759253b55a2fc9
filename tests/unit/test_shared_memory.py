"""Segments with a name: who makes, attaches and removes them, and what is left of the dead."""

import os
import pickle
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procession import resource_tracker, shared_memory
from procession.shared_memory import ShareableList, SharedMemory
from tests.support import run_python, start_python, wait_until

# The tracker of a program that has ended comes to the test process, and ends.
pytestmark = pytest.mark.orphans

FOLDER = Path(resource_tracker.SHARED_MEMORY_FOLDER)
UNIQUE = f"procession-test-{os.getpid()}"


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """The tracker lives as long as the family; no test shall be blamed for starting it."""
    resource_tracker.ensure_running()


@pytest.fixture
def segment() -> Iterator[SharedMemory]:
    made = SharedMemory(create=True, size=4096)
    yield made
    made.close()
    made.unlink()


# ---------------------------------------------------------------------------------- make and attach


def test_what_one_writes_another_reads(segment: SharedMemory) -> None:
    """By name; the size is the maker's."""
    segment.buf[:5] = b"hello"

    other = SharedMemory(segment.name)

    assert bytes(other.buf[:5]) == b"hello"
    assert other.size == len(other.buf) == 4096
    assert segment.name in repr(other)


def test_a_child_finds_it(ctx: Any, segment: SharedMemory) -> None:
    """As an argument of each start method."""
    process = ctx.Process(target=write_into, args=(segment, b"from a child"))
    process.start()
    process.join(30)
    process.close()

    assert bytes(segment.buf[:12]) == b"from a child"


def write_into(segment: SharedMemory, data: bytes) -> None:
    segment.buf[: len(data)] = data
    segment.close()


def test_a_pickle_attaches(segment: SharedMemory) -> None:
    """And does not own."""
    other = pickle.loads(pickle.dumps(segment))
    other.close()

    assert (FOLDER / segment.name).exists()


def test_a_name_that_is_taken_is_an_error(segment: SharedMemory) -> None:
    """What is there is not touched."""
    segment.buf[0] = 7

    with pytest.raises(FileExistsError, match=segment.name):
        SharedMemory(segment.name, create=True, size=10)

    assert SharedMemory(segment.name).buf[0] == 7


def test_fresh_names_differ_from_those_that_exist(
    segment: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that happens to be taken is drawn again."""
    names = iter([f"/{segment.name}", f"/{UNIQUE}-second"])
    monkeypatch.setattr("procession.shared_memory._segment._make_filename", lambda: next(names))

    made = SharedMemory(create=True, size=1)
    made.unlink()

    assert made.name == f"{UNIQUE}-second"


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "../tmp/x", "/"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    """A name never leads out of the folder."""
    with pytest.raises(OSError, match="not a name"):
        SharedMemory(name)
    with pytest.raises(OSError, match="not a name"):
        SharedMemory(name, create=True, size=1)


def test_zero_bytes_in_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="null"):
        SharedMemory("a\0b")


@pytest.mark.parametrize(("create", "size"), [(True, 0), (True, -1), (False, -1)])
def test_impossible_sizes_are_refused(create: bool, size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        SharedMemory("whatever", create=create, size=size)


def test_without_a_name_there_is_nothing_to_attach() -> None:
    with pytest.raises(ValueError, match="name"):
        SharedMemory()
    with pytest.raises(FileNotFoundError):
        SharedMemory(f"{UNIQUE}-not-there")


def test_no_room_is_a_memory_error() -> None:
    """At once, with the numbers, and nothing is left; not a SIGBUS at the first access."""
    room = os.statvfs(FOLDER)
    before = set(os.listdir(FOLDER))

    with pytest.raises(MemoryError, match="are free"):
        SharedMemory(create=True, size=room.f_bavail * room.f_frsize * 2 + 2**20)

    assert set(os.listdir(FOLDER)) <= before


def test_only_its_user_may_open_it(segment: SharedMemory) -> None:
    assert (FOLDER / segment.name).stat().st_mode & 0o777 == 0o600


def test_it_has_no_descriptor() -> None:
    """The mapping has one of its own, and that goes with it."""
    before = len(os.listdir("/proc/self/fd"))
    made = SharedMemory(create=True, size=1)
    made.unlink()
    made.close()

    assert len(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------------------------ views and end


def test_closing_with_live_views_is_safe(segment: SharedMemory) -> None:
    """They remain valid; the last one unmaps."""
    whole, part = segment.buf, segment.buf[10:20]
    segment.close()
    segment.close()
    part[0] = 1

    assert whole[10] == 1
    assert segment.buf is None


def test_arrays_keep_the_mapping_alive(segment: SharedMemory) -> None:
    """However they were made: numpy itself keeps no view, only the object."""
    numpy = pytest.importorskip("numpy")
    ours = segment.as_array((4, 8), "int32")
    theirs = numpy.ndarray((32,), "int32", buffer=segment.buf)
    segment.close()
    ours[3, 7] = 42

    assert theirs[31] == 42
    assert ours.shape == (4, 8)


def test_an_array_that_does_not_fit_says_so(segment: SharedMemory) -> None:
    pytest.importorskip("numpy")
    with pytest.raises(ValueError, match="8,192 bytes"):
        segment.as_array(1024)
    segment.close()
    with pytest.raises(ValueError, match="closed"):
        segment.as_array(1)


def test_an_array_without_numpy_says_what_is_missing(
    segment: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(ImportError, match="pip install numpy"):
        segment.as_array(1)


def test_a_name_is_removed_once() -> None:
    made = SharedMemory(create=True, size=1)
    made.unlink()

    with pytest.raises(FileNotFoundError):
        made.unlink()


# ----------------------------------------------------------------------------------------- the list

VALUES: list[Any] = ["text", b"bytes", 1, -(2**63), 2.5, True, None, "", "€" * 8, b"\0x"]


def test_a_list_keeps_its_elements() -> None:
    made = ShareableList(VALUES)
    other = pickle.loads(pickle.dumps(made))
    made.shm.unlink()

    assert list(other) == VALUES
    assert len(other) == len(VALUES)
    assert other.index(2.5) == 4
    assert other.count("nothing") == 0


def test_elements_are_replaced_within_their_room() -> None:
    made = ShareableList(["12345678", 1])
    made.shm.unlink()

    made[0] = "x" * 16
    made[-1] = None

    assert list(made) == ["x" * 16, None]
    with pytest.raises(ValueError, match="exceeds available storage"):
        made[0] = "x" * 17
    assert made[0] == "x" * 16
    for wrong in (2, -3):
        with pytest.raises(IndexError):
            made[wrong]
        with pytest.raises(IndexError, match="assignment"):
            made[wrong] = 0


def test_what_a_list_cannot_hold_leaves_nothing() -> None:
    before = set(os.listdir(FOLDER))

    with pytest.raises(KeyError, match="complex"):
        ShareableList([1j])  # type: ignore[list-item]
    with pytest.raises(struct.error):
        ShareableList([2**63])

    assert set(os.listdir(FOLDER)) <= before


# ------------------------------------------------------------------------ who removes, who does not


def test_who_only_attaches_never_removes(segment: SharedMemory) -> None:
    """Nor warns: a correct program of another family ends in silence."""
    code = f"""
        from procession.shared_memory import SharedMemory
        mem = SharedMemory({segment.name!r}); mem.buf[0] = 9; mem.close()
    """
    outcome = run_python(code)

    assert (outcome.exitcode, outcome.stderr) == (0, "")
    assert segment.buf[0] == 9
    assert (FOLDER / segment.name).exists()


def test_the_standard_package_attaches(segment: SharedMemory) -> None:
    """Same names, both ways."""
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
    """By the tracker, with a warning."""
    with start_python(MAKER) as program:
        name = program.read_line()
        program.kill()
        wait_until(lambda: is_gone(name))


def test_what_a_program_forgets_is_removed_with_a_warning() -> None:
    outcome = run_python(MAKER)

    assert "There appear to be 1 leaked shared_memory objects to clean up" in outcome.stderr
    assert is_gone(outcome.stdout.strip())


def test_a_correct_program_is_silent() -> None:
    """Segments made in children, removed by the parent, before and after there was a tracker."""
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
    """Parent and child, each with a segment of its own."""
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
    """Before and after each step."""
    for moment in ("before", "after"):
        code = f"""
            import os
            from procession.shared_memory import SharedMemory, _segment

            def deadly(function):
                def call(*args):
                    {"result = function(*args)" if moment == "after" else "pass"}
                    os.kill(os.getpid(), 9)
                return call

            *place, name = {step!r}.split(".")
            module = getattr(_segment, place[0]) if place else _segment
            setattr(module, name, deadly(getattr(module, name)))
            SharedMemory({UNIQUE + step!r}, create=True, size=10)
        """
        outcome = run_python(code)

        assert outcome.exitcode == -signal.SIGKILL
        wait_until(lambda: is_gone(UNIQUE + step))


def test_a_name_taken_by_another_since_is_not_removed() -> None:
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


# -------------------------------------------------------------------------------------- the tracker


def test_a_killed_tracker_is_replaced() -> None:
    """And told again what this process has."""
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
    """With the interface of the standard module."""
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


def test_the_module_names_what_libraries_look_for() -> None:
    assert shared_memory._USE_POSIX
    assert SharedMemory.__module__ == ShareableList.__module__ == "procession.shared_memory"
    assert resource_tracker.getfd() == resource_tracker._resource_tracker._fd
