"""Segments of shared memory with a name: made, attached and closed; and lists in them."""

import os
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from procession import _core, resource_tracker, shared_memory
from procession.shared_memory import ShareableList, SharedMemory

pytestmark = pytest.mark.usefixtures("tracker")

FOLDER = Path(resource_tracker.SHARED_MEMORY_FOLDER)
UNIQUE = f"procession-test-{os.getpid()}"


# ---------------------------------------------------------------------------------- make and attach


def test_a_segment_attached_by_name_has_the_same_bytes(segment: SharedMemory) -> None:
    """Its size is the one that it was made with."""
    segment.buf[:5] = b"hello"

    other = SharedMemory(segment.name)

    assert bytes(other.buf[:5]) == b"hello"
    assert other.size == len(other.buf) == 4096
    assert segment.name in repr(other)


def test_a_segment_is_an_argument_of_a_child(ctx: Any, segment: SharedMemory) -> None:
    """It is so under each start method."""
    process = ctx.Process(target=write_into, args=(segment, b"from a child"))
    process.start()
    process.join(30)
    process.close()

    assert bytes(segment.buf[:12]) == b"from a child"


def write_into(segment: SharedMemory, data: bytes) -> None:
    segment.buf[: len(data)] = data
    segment.close()


def test_a_pickle_attaches(segment: SharedMemory) -> None:
    """The copy does not remove the segment."""
    other = pickle.loads(pickle.dumps(segment))
    other.close()

    assert (FOLDER / segment.name).exists()


def test_a_name_that_is_taken_is_an_error(segment: SharedMemory) -> None:
    """The segment that exists is not changed."""
    segment.buf[0] = 7

    with pytest.raises(FileExistsError, match=segment.name):
        SharedMemory(segment.name, create=True, size=10)

    assert SharedMemory(segment.name).buf[0] == 7


def test_a_fresh_name_differs_from_those_that_exist(
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
    """It comes at once, with the numbers; there is no SIGBUS at the first access."""
    room = os.statvfs(FOLDER)
    before = set(os.listdir(FOLDER))

    with pytest.raises(MemoryError, match="are free"):
        SharedMemory(create=True, size=room.f_bavail * room.f_frsize * 2 + 2**20)

    assert set(os.listdir(FOLDER)) <= before


def test_no_room_in_a_control_group_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel would not refuse the memory: it would kill the program."""
    monkeypatch.setattr(_core, "memory_room", lambda: 2**21)
    before = set(os.listdir(FOLDER))

    with pytest.raises(MemoryError, match="2,097,152 bytes are left"):
        SharedMemory(create=True, size=2**21 + 1)

    assert set(os.listdir(FOLDER)) <= before


@pytest.mark.parametrize(
    ("size", "commit", "committed"),
    [(2**20, None, True), (2**24, None, False), (2**24, True, True), (2**20, False, False)],
)
def test_a_large_segment_has_no_pages_unless_asked_for(
    size: int, commit: bool | None, committed: bool
) -> None:
    segment = SharedMemory(create=True, size=size, commit=commit)
    try:
        used = (FOLDER / segment.name).stat().st_blocks * 512
        assert used == (size if committed else 0)
        segment.buf[-1] = 7
        assert segment.buf[-1] == 7
    finally:
        segment.close()
        segment.unlink()


def test_only_its_user_may_open_it(segment: SharedMemory) -> None:
    assert (FOLDER / segment.name).stat().st_mode & 0o777 == 0o600


def test_it_has_no_descriptor() -> None:
    """The mapping has a descriptor of its own, which is closed with it."""
    before = len(os.listdir("/proc/self/fd"))
    made = SharedMemory(create=True, size=1)
    made.unlink()
    made.close()

    assert len(os.listdir("/proc/self/fd")) == before


# --------------------------------------------------------------------------------- views and arrays


def test_closing_with_live_views_is_safe(segment: SharedMemory) -> None:
    """They remain valid; the last one unmaps the segment."""
    whole, part = segment.buf, segment.buf[10:20]
    segment.close()
    segment.close()
    part[0] = 1

    assert whole[10] == 1
    assert segment.buf is None


def test_arrays_keep_the_mapping_alive(segment: SharedMemory) -> None:
    """That holds for arrays that numpy makes, too: those keep only the object, no view."""
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


def test_elements_are_replaced_within_their_size() -> None:
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


def test_the_module_names_what_libraries_look_for() -> None:
    assert shared_memory._USE_POSIX
    assert SharedMemory.__module__ == ShareableList.__module__ == "procession.shared_memory"
    assert resource_tracker.getfd() == resource_tracker._resource_tracker._fd
