"""How shared objects of each type travel: by each way, at any time, under each start method.

Idea: all types go in one message, so that each way is tried for each of them at the cost of one
process. Here and there it is the same object: what is done to it there is seen here.
"""

import ctypes
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from procession.heap import Arena, BufferWrapper
from procession.sharedctypes import Array, RawArray, RawValue, Value, copy, synchronized
from procession.synchronize import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)
from tests.support import run_python
from tests.support.threads import TIMEOUT

Things = dict[str, Any]


class Point(ctypes.Structure):
    """What a program may define."""

    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_int))


class Point3(Point):
    """With the fields of another."""

    _fields_ = (("z", ctypes.c_int),)


def all_types() -> Things:
    """Return one object of each type; the locks are taken."""
    shared = Lock()
    things = {
        "Lock": Lock(),
        "RLock": RLock(),
        "Semaphore": Semaphore(2),
        "BoundedSemaphore": BoundedSemaphore(2),
        "Condition": Condition(),
        "Condition(Lock)": Condition(Lock()),
        "Event": Event(),
        "Barrier": Barrier(2, timeout=TIMEOUT),
        "Value": Value("i", 5),
        "Value with a lock that is shared": Value("d", 5, lock=shared),
        "Value without a lock": Value("q", 5, lock=False),
        "Array": Array("i", [5, 5]),
        "Array with a lock that is shared": Array("d", [5, 5], lock=shared),
        "Array of characters": Array("c", b"55"),
        "Array without a lock": Array("B", [5, 5], lock=False),
        "RawValue": RawValue("h", 5),
        "RawArray": RawArray("f", [5, 5]),
        "array of arrays": RawArray(ctypes.c_int * 2, [(5, 5), (5, 5)]),
        "a structure": Value(Point, 5, 5),
        "a raw structure": RawValue(Point3, 5, 5, 5),
        "an array of structures": Array(Point, [(5, 5)]),
        "copy": copy(ctypes.c_int(5)),
        "synchronized": synchronized(RawValue("i", 5)),
        "BufferWrapper": BufferWrapper(2),
    }
    for name in LOCKS:
        things[name].acquire()
    return things


LOCKS = (
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Condition",
    "Condition(Lock)",
)


def touch(things: Things) -> dict[str, Any]:
    """In another process: tell what is seen, and change everything."""
    seen = {}
    for name in LOCKS:
        lock = things[name]
        seen[name] = lock.get_value() if "Sem" in name else lock.acquire(block=False)
    for name in ("Semaphore", "BoundedSemaphore"):
        things[name].acquire()
    things["Event"].set()
    things["Barrier"].abort()
    lock = things["Value with a lock that is shared"].get_lock()
    seen["one lock"] = lock is things["Array with a lock that is shared"].get_lock()
    for name, change in CHANGES.items():
        change(things[name])
    return seen


def set_value(thing: Any) -> None:
    """Of a value."""
    thing.value = 7


def set_items(thing: Any) -> None:
    """Of an array."""
    thing[0] = thing[1] = 7


def set_fields(thing: Any) -> None:
    """Of a structure."""
    thing.x = thing.y = 7


def set_item_of_item(thing: Any) -> None:
    """Of an array of arrays."""
    thing[1][1] = 7


def set_text(thing: Any) -> None:
    """Of characters."""
    thing.value = b"77"


def set_field_of_item(thing: Any) -> None:
    """Of an array of structures."""
    thing[0].x = 7


def set_bytes(thing: Any) -> None:
    """Of plain memory."""
    thing.create_memoryview()[1] = 7


CHANGES: dict[str, Callable[[Any], None]] = {
    "Value": set_value,
    "Value with a lock that is shared": set_value,
    "Value without a lock": set_value,
    "Array": set_items,
    "Array with a lock that is shared": set_items,
    "Array of characters": set_text,
    "Array without a lock": set_items,
    "RawValue": set_value,
    "RawArray": set_items,
    "array of arrays": set_item_of_item,
    "a structure": set_fields,
    "a raw structure": set_fields,
    "an array of structures": set_field_of_item,
    "copy": set_value,
    "synchronized": set_value,
    "BufferWrapper": set_bytes,
}


def state(things: Things) -> dict[str, Any]:
    """Return what this process sees of what `touch` changes."""
    return {
        **{name: things[name].get_value() for name in ("Semaphore", "BoundedSemaphore")},
        "Event": things["Event"].is_set(),
        "Barrier": things["Barrier"].broken,
        "values": [things[name].value for name, change in CHANGES.items() if change is set_value],
        "arrays": [list(things[name]) for name, change in CHANGES.items() if change is set_items],
        "text": things["Array of characters"].raw,
        "array of arrays": things["array of arrays"][1][1],
        "structures": [(things[name].x, things[name].y) for name in ("a structure",)],
        "raw structure": (things["a raw structure"].x, things["a raw structure"].z),
        "array of structures": things["an array of structures"][0].x,
        "bytes": bytes(things["BufferWrapper"].create_memoryview()),
    }


AFTERWARDS = {
    "Semaphore": 0,
    "BoundedSemaphore": 0,
    "Event": True,
    "Barrier": True,
    "values": [7] * 6,
    "arrays": [[7, 7]] * 4,
    "text": b"77",
    "array of arrays": 7,
    "structures": [(7, 7)],
    "raw structure": (7, 5),
    "array of structures": 7,
    "bytes": b"\0\7",
}
SEEN = {
    **dict.fromkeys(LOCKS, False),
    "Semaphore": 1,
    "BoundedSemaphore": 1,
    "one lock": True,
}


# ------------------------------------------------------------------------------------------- ways


def answer(things: Things, back: Any) -> None:
    """Target: the things are an argument."""
    back.put(touch(things))


def by_argument(ctx: Any, things: Things) -> Any:
    """At the start of a process."""
    back = ctx.SimpleQueue()
    process = ctx.Process(target=answer, args=(things, back))
    process.start()
    return back.get(), process


def receive(get: Any, back: Any) -> None:
    """Target: the things come through a queue, or a pipe."""
    back.put(touch(get()))


def by_queue(ctx: Any, things: Things) -> Any:
    """Later, through a queue."""
    queue, back = ctx.Queue(), ctx.SimpleQueue()
    process = ctx.Process(target=receive, args=(queue.get, back))
    process.start()
    queue.put(things)
    return back.get(), process


def by_pipe(ctx: Any, things: Things) -> Any:
    """Later, through a pipe."""
    ours, theirs = ctx.Pipe()
    back = ctx.SimpleQueue()
    process = ctx.Process(target=receive, args=(theirs.recv, back))
    process.start()
    ours.send(things)
    seen = back.get()
    ours.close()
    theirs.close()
    return seen, process


def by_task(ctx: Any, things: Things) -> Any:
    """As the argument of a task, and as its result."""
    with ctx.Pool(1) as pool:
        seen = pool.apply(touch, (things,))
        returned = pool.apply(same, (things,))
        pool.close()
        pool.join()
    assert [returned[name].offset for name in LOCKS] == [things[name].offset for name in LOCKS]
    return seen, None


def same(things: Things) -> Things:
    """Return the argument."""
    return things


@pytest.mark.parametrize("way", [by_argument, by_queue, by_pipe, by_task])
def test_each_type_is_sent_in_each_way(ctx: Any, way: Any) -> None:
    """To an equal right to the same object."""
    things = all_types()

    seen, process = way(ctx, things)

    if process is not None:
        process.join()
        assert process.exitcode == 0
        process.close()
    assert seen == SEEN
    assert state(things) == AFTERWARDS


def test_any_pickler_sends_a_reference() -> None:
    """Not only the package's own: also the one of a program that knows nothing of it."""
    things = all_types()

    there = pickle.loads(pickle.dumps(things))
    touch(there)

    assert state(things) == AFTERWARDS


def make_all() -> Things:
    """In a worker: objects that only their message holds."""
    return {name: thing for name, thing in all_types().items() if name not in LOCKS}


def test_what_is_made_in_a_task_arrives(ctx: Any) -> None:
    """The message owns it on the way."""
    with ctx.Pool(1) as pool:
        things = pool.apply(make_all)
        pool.close()
        pool.join()

    assert things["Value"].value == 5
    assert list(things["Array"]) == [5, 5]
    things["Event"].set()
    assert things["Event"].is_set()


# ------------------------------------------------------------------------------- what stays behind


def test_another_family_is_told_so() -> None:
    """A clear error, for each type, not another's memory."""
    data = {name: pickle.dumps(thing) for name, thing in all_types().items()}
    root = __file__.rpartition("/tests/")[0]

    result = run_python(
        "import pickle, sys, procession.synchronize as s\n"
        f"sys.path.insert(0, {root!r})\n"
        "own = s.Lock()\n"
        f"for name, pickled in {data!r}.items():\n"
        "    try:\n"
        "        print(name, 'came through:', pickle.loads(pickled))\n"
        "    except RuntimeError as error:\n"
        "        print(name, error)\n"
    )

    lines = result.stdout.splitlines()
    assert [line for line in lines if "another family" not in line] == []
    assert len(lines) == len(data)


def test_other_ctypes_objects_are_sent_by_value(ctx: Any) -> None:
    """Whatever of their type is in shared memory."""
    queue = ctx.SimpleQueue()
    RawValue("i", 1)

    queue.put(ctypes.c_int(3))

    assert queue.get().value == 3


def test_what_is_not_in_shared_memory_cannot_be_shared() -> None:
    """A lock around private memory would deceive."""
    with pytest.raises(TypeError, match="not in shared memory"):
        pickle.dumps(synchronized(ctypes.c_int(3)))


def test_a_lambda_takes_its_values_along() -> None:
    """A function sent by value refers to the same memory."""
    import procession

    ctx = procession.get_context("spawn")
    value, raw = Value("i", 1), RawArray("i", 3)

    process = ctx.Process(target=lambda: (value.add(1), raw.__setitem__(1, 9)))
    process.start()
    process.join()

    assert (process.exitcode, value.value, list(raw)) == (0, 2, [0, 9, 0])
    process.close()


def test_an_arena_is_sent_with_its_descriptor(ctx: Any) -> None:
    """As those of the standard package do."""
    arena = Arena(4096)
    back = ctx.SimpleQueue()

    process = ctx.Process(target=write_into, args=(arena, back))
    process.start()
    back.get()
    process.join()
    process.close()

    assert arena.buffer[:3] == b"abc"


def write_into(arena: Arena, back: Any) -> None:
    """Target."""
    arena.buffer[:3] = b"abc"
    back.put(True)


def test_threads_share_them_as_processes_do() -> None:
    """Each type may also be used by threads alone."""
    value = Value("i")
    threads = [threading.Thread(target=lambda: [value.add(1) for _ in range(500)]) for _ in "ab"]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert value.value == 1000
