"""The core's blocks, handles and slots as Python sees them, without a Process.

Idea: what the C tests show of the arena itself is not repeated here; these are the claims of the
bindings: objects and references agree, through pickles, forks, threads and garbage collection.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from procession import _core
from procession.reduction import ForkingPickler

HANDLES: tuple[type[Any], ...] = (
    _core.Block,
    _core.Lock,
    _core.RLock,
    _core.Channel,
    _core.Semaphore,
    _core.Event,
)


def used() -> int:
    """Bytes in use, after what the dead held was given back."""
    gc.collect()
    _core.reclaim_dead()
    return _core.arena_usage()["used"]


@pytest.fixture
def balanced() -> Iterator[None]:
    """After the test no more memory is in use than before, but for lists that have grown."""
    lists = [_core.Block(1) for _ in range(300)]
    del lists
    before = used()
    yield
    assert used() <= before


def in_fork(work: Callable[[], object], fork: Callable[[], int] = os.fork) -> int:
    """Run *work* in a fork; its pid. The fork ends with 0, or with 1 after an exception."""
    pid = fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for *pid*, and have what it held given back."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    _core.reclaim_process(pid)
    return code


# ---- handles


@pytest.mark.parametrize("kind", HANDLES)
def test_an_object_without_init_raises_and_does_not_crash(kind: Any) -> None:
    """Every public attribute of an object made by __new__ alone is either an error or harmless."""
    handle = kind.__new__(kind)

    for name in sorted(set(dir(kind)) - set(dir(object))):
        try:
            value = getattr(handle, name)
            if callable(value):
                value()
        except (ValueError, TypeError, OSError, AttributeError, RuntimeError):
            pass
    with pytest.raises(ValueError, match="not initialised"):
        pickle.dumps(handle)


@pytest.mark.usefixtures("balanced")
@pytest.mark.parametrize("kind", HANDLES)
def test_a_handle_is_initialised_once(kind: type[Any]) -> None:
    """A second __init__ would lose the first block's reference."""
    arguments = (10,) if kind is _core.Block else ()
    handle = kind(*arguments)
    offset = handle.offset

    try:
        handle.__init__(*arguments)
    except (ValueError, RuntimeError):
        pass
    assert handle.offset == offset


@pytest.mark.usefixtures("balanced")
def test_a_pickled_block_is_the_same_memory() -> None:
    """Two handles, one block; it goes with the second."""
    block = _core.Block(100)
    again = pickle.loads(bytes(ForkingPickler.dumps(block)))
    memoryview(block)[7] = 42

    del block
    assert memoryview(again)[7] == 42
    assert len(again) == 100


def test_a_reference_to_a_block_that_is_gone_is_an_error() -> None:
    """The memory may be another block's by then: the serial tells."""
    block = _core.Block(1000)
    data = pickle.dumps(block)
    del block
    other = _core.Block(1000)

    with pytest.raises(RuntimeError, match="no longer exists"):
        pickle.loads(data)
    del other


def test_a_strangers_reference_is_an_error() -> None:
    """Another family's arena has another id."""
    code = (
        "import sys, pickle; from procession.heap import BufferWrapper;"
        "sys.stdout.buffer.write(pickle.dumps(BufferWrapper(10)._block))"
    )
    data = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout

    with pytest.raises(RuntimeError, match="another family"):
        pickle.loads(data)


@pytest.mark.usefixtures("balanced")
def test_a_block_is_zero_though_its_memory_was_used_before() -> None:
    """Reused memory is cleared, of every size."""
    for size in (1, 100, 5000, 70_000, 3_000_000):
        block = _core.Block(size)
        memoryview(block)[:] = b"\xff" * size
        del block
        assert bytes(_core.Block(size)) == bytes(size)


def test_a_size_beyond_all_memory_is_a_memory_error() -> None:
    """And nothing is taken by the attempt."""
    before = used()

    for size in (1 << 45, sys.maxsize):
        with pytest.raises(MemoryError):
            _core.Block(size)
    with pytest.raises(ValueError, match="negative"):
        _core.Block(-1)
    assert used() == before


@pytest.mark.usefixtures("balanced")
def test_handles_in_cycles_are_collected() -> None:
    """A handle needs no luck to be freed: a Python object that holds it may be in a cycle."""

    class Box:
        pass

    for _ in range(100):
        box = Box()
        box.me, box.block = box, _core.Block(10_000)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("balanced")
def test_a_view_keeps_its_block() -> None:
    """The buffer's export holds the object, and so the reference."""
    view = memoryview(_core.Block(50_000))
    gc.collect()
    others = [_core.Block(50_000) for _ in range(10)]
    view[:] = b"x" * 50_000

    assert not any(any(other) for other in map(bytes, others))
    view.release()


# ---- forks


@pytest.mark.usefixtures("balanced")
@pytest.mark.parametrize("fork", [os.fork, _core.fork])
def test_a_fork_holds_what_it_inherits(fork: Callable[[], int]) -> None:
    """Its handles are its own: dropping them takes nothing from the parent, nor the reverse."""
    block, channel = _core.Block(1000), _core.Channel()
    answer = _core.Channel()

    def work() -> None:
        nonlocal block
        assert channel.get() == "dropped"
        memoryview(block)[0] = 1  # the parent has dropped it
        del block
        answer.put("done")

    pid = in_fork(work, fork)
    del block
    channel.put("dropped")
    assert answer.get(timeout=10) == "done"
    assert exit_code(pid) == 0


@pytest.mark.usefixtures("balanced")
@pytest.mark.parametrize("fork", [os.fork, _core.fork])
def test_forks_leave_nothing(fork: Callable[[], int]) -> None:
    """Ended, killed, or killed at once: the slots are used again, the blocks given back."""
    keep = [_core.Block(100) for _ in range(200)]

    for i in range(100):
        pid = in_fork(lambda: _core.Block(100_000), fork)
        if i % 2:
            os.kill(pid, signal.SIGKILL)
        assert exit_code(pid) in (0, -signal.SIGKILL)
    assert _core.arena_usage()["slots"] < 20
    del keep


@pytest.mark.usefixtures("balanced")
def test_forks_of_forks_talk() -> None:
    """Four generations, each with a handle made by the one before."""
    answers = _core.Channel()

    def descend(depth: int, channel: _core.Channel) -> None:
        if depth == 0:
            answers.put(channel.get(timeout=10))
            return
        further = _core.Channel()
        pid = in_fork(lambda: descend(depth - 1, further))
        further.put([*channel.get(timeout=10), depth])
        assert exit_code(pid) == 0

    first = _core.Channel()
    pid = in_fork(lambda: descend(3, first))
    first.put([])
    assert answers.get(timeout=10) == [3, 2, 1]
    assert exit_code(pid) == 0


@pytest.mark.usefixtures("balanced")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_in_the_midst_of_other_threads_work() -> None:
    """Threads put, get, make and drop while the main thread forks; every child can do the same."""
    channel, stop = _core.Channel(), threading.Event()

    def work(turns: int) -> None:
        own = _core.Channel(4)
        for i in range(turns):
            own.put(bytes(i % 5000))
            block = _core.Block(i % 700)
            assert len(pickle.loads(bytes(ForkingPickler.dumps(block)))) == i % 700
            assert len(own.get()) == i % 5000

    def until_stopped() -> None:
        while not stop.is_set():
            work(50)

    threads = [threading.Thread(target=until_stopped) for _ in range(3)]
    for thread in threads:
        thread.start()
    pids = [in_fork(lambda: work(200)) for _ in range(25)]
    codes = [exit_code(pid) for pid in pids]
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 25
    del channel


@pytest.mark.usefixtures("balanced")
def test_a_program_started_by_subprocess_takes_no_slot() -> None:
    """It is no member of the family, and must not hold the family's memory."""
    before = _core.arena_usage()["slots"]

    with subprocess.Popen(["sleep", "60"]) as process:
        for _ in range(3):
            _core.reclaim_dead()
        assert _core.arena_usage()["slots"] == before
        process.kill()


@pytest.mark.usefixtures("balanced")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_keep_a_message_that_waited_for_room() -> None:
    """A thread waits to put a large message while another forks: the child does not own it."""
    channel = _core.Channel(1)
    channel.put(0)
    thread = threading.Thread(target=lambda: channel.put(bytes(5_000_000)))
    before = used()
    thread.start()
    while used() < before + 5_000_000:
        pass  # the message is encoded, and there is no event for that
    gate, passed = os.pipe()

    def wait() -> None:
        os.close(passed)
        os.read(gate, 1)

    pid = in_fork(wait)
    channel.get()
    thread.join()
    assert len(channel.get()) == 5_000_000

    assert used() < before + 5_000_000
    os.close(passed)
    os.close(gate)
    assert exit_code(pid) == 0
