"""The cases: which work is measured, how much of it, and how many times faster it is said to be.

Idea: two tables. A case of the first is a claim: its work is a function of a context and a count,
and the count is such that a measurement takes about half a second with the standard package. The
second has curves: how the cost of an operation grows with its size, or with the number of processes
that take part. Each point of a curve is a case like the others, without a target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import peers
from .timing import PARTS, Measurement
from .work import managers, pipes, pools, processes, queues, shared, sockets, synchronize

FIFO = ("faster_fifo",)
POOLS = ("concurrent.futures", "loky", "joblib", "mpire", "pebble")
WHOLE = ("concurrent.futures", "loky", "joblib", "pebble")  # they leave an array in one piece
CALLS = ("concurrent.futures", "loky", "mpire", "pebble")  # they have single calls
EXECUTOR = ("concurrent.futures",)
BYTES = 150_000_000  # what all messages of a point have together, if they are large


@dataclass(frozen=True)
class Case:
    """One thing that is measured: which work, how much of it, and how fast it is said to be.

    Attributes:
        name: what the command line knows it by.
        what: one operation, for the table.
        work: measures *count* operations with a context; with the library's name for ``method`` "".
        count: operations in one measurement.
        target: how many times the standard package's speed; 1 for no slower.
        method: the start method of the helpers in it.
        peers: further packages that can do the same.
    """

    name: str
    what: str
    work: Callable[[Any, int], Measurement]
    count: int
    target: float
    method: str = "fork"
    peers: tuple[str, ...] = ()

    def measure(self, library: str, share: float) -> Measurement:
        """Measure *library* with that share of the operations."""
        count = max(int(self.count * share), min(self.count, PARTS))
        if not self.method:
            return self.work(library, count)
        return self.work(peers.context(library, self.method), count)


CASES = (
    Case("queue-ints", "small int, queue", queues.small_ints, 60_000, 6, peers=FIFO),
    Case("queue-ping-pong", "there and back, two queues", queues.ping_pong, 5_000, 6, peers=FIFO),
    Case("queue-arrays", "10 MB numpy array, queue", queues.arrays, 100, 4, peers=FIFO),
    Case("queue-tuples", "100-byte tuple, queue", queues.tuples, 40_000, 4, peers=FIFO),
    Case("queue-2-2", "small int, two to two", queues.two_to_two, 40_000, 5),
    Case("simple-ping-pong", "there and back, SimpleQueue", queues.simple_ping_pong, 5_000, 5),
    Case("lock", "lock acquire, release", synchronize.acquire_release, 1_000_000, 1),
    Case("lock-with", "with lock", synchronize.with_lock, 500_000, 3),
    Case("rlock-with", "with rlock", synchronize.with_rlock, 500_000, 3),
    Case("semaphore-with", "with semaphore", synchronize.with_semaphore, 500_000, 3),
    Case("lock-contended", "with lock, two processes", synchronize.contended, 700_000, 2),
    Case("event-ping-pong", "there and back, two events", synchronize.event_ping_pong, 5_000, 4),
    Case(
        "condition-ping-pong", "there, back, condition", synchronize.condition_ping_pong, 5_000, 4
    ),
    Case("barrier-ping-pong", "two meet at a barrier", synchronize.barrier_ping_pong, 5_000, 4),
    Case("value-add", "with v.get_lock(): v.value += 1", synchronize.add_under_lock, 300_000, 3),
    Case("array-item", "array item get and set", synchronize.array_items, 300_000, 2),
    Case(
        "pool-imap",
        "task, imap_unordered(chunksize=1)",
        pools.single_tasks,
        10_000,
        12,
        peers=POOLS,
    ),
    Case("pool-apply", "one apply", pools.one_apply, 1_500, 5, peers=CALLS),
    Case("pool-async", "call, 10,000 apply_async", pools.many_calls, 10_000, 8, peers=CALLS),
    Case("pool-map", "tiny task, one map of 100,000", pools.tiny_map, 100_000, 1.2, peers=POOLS),
    Case("pool-starmap", "tiny task, one starmap", pools.star_map, 100_000, 1.2, peers=POOLS),
    Case("pool-arrays", "8 MB array there and back, map", pools.arrays, 64, 3, peers=WHOLE),
    Case("pool-heavy-tail", "task, heavy-tailed map", pools.heavy_tail, 2_000, 1, peers=POOLS),
    Case("manager-get", "dict get, manager", managers.dict_get, 5_000, 4),
    Case("manager-set", "dict set, manager", managers.dict_set, 5_000, 4),
    Case("manager-queue", "queue put, get, manager", managers.queue_put_get, 3_000, 4),
    Case("manager-lock", "with lock, manager", managers.with_lock, 3_000, 3),
    Case("manager-namespace", "attribute set, get, manager", managers.namespace, 3_000, 3),
    Case("manager-append", "list append, manager", managers.list_append, 5_000, 4),
    Case("manager-4", "dict set or get, four clients", managers.four_clients, 20_000, 3),
    Case("manager-tcp", "dict set, manager, TCP", managers.tcp_set, 3_000, 1),
    Case("manager-tcp-20k", "20 kB dict set, manager, TCP", managers.tcp_set_long, 500, 1),
    Case("import", "import", processes.imports, 10, 1, method=""),
    Case("start-fork", "start, join; fork", processes.start_and_join("fork"), 200, 1, ""),
    Case("start-value", "start, join; fork, a value", processes.with_value("fork"), 200, 1, ""),
    Case("start-spawn", "start, join; spawn", processes.start_and_join("spawn"), 10, 1.3, ""),
    Case(
        "start-server",
        "start, join; forkserver",
        processes.start_and_join("forkserver"),
        100,
        3,
        "",
    ),
    Case("pipe-ping-pong", "there and back, pipe", pipes.ping_pong, 5_000, 2.5),
    Case("pipe-mebibytes", "1 MiB send_bytes, pipe", pipes.mebibytes, 500, 1.5),
    Case("pipe-arrays", "10 MB numpy array, pipe", pipes.arrays, 100, 3),
    Case("tcp-ping-pong", "there and back, TCP", sockets.ping_pong, 5_000, 1),
    Case("shared-dict-get", "d[key], manager's dict", shared.dict_get, 5_000, 20, method=""),
    Case("shared-dict-set", "d[key] = i, manager's dict", shared.dict_set, 5_000, 20, method=""),
    Case("shared-list-get", "l[i], manager's list", shared.list_get, 10_000, 20, method=""),
    Case("shared-list-append", "l.append(i), manager's", shared.list_append, 10_000, 20, method=""),
    Case("tcp-20k", "20 kB send_bytes, answer, TCP", sockets.long_messages, 100, 1),
)


# ------------------------------------------------------------------------------------- the curves


@dataclass(frozen=True)
class Curve:
    """One case in several sizes.

    Attributes:
        title: one operation, for the picture.
        axis: what the values are of.
        points: the case at each value.
    """

    title: str
    axis: str
    points: dict[int, Case]


def _of_size(size: int) -> Case:
    work = partial(queues.of_size, size=size)
    count = max(min(20_000, BYTES // size), 40)
    return Case(f"queue-of-{size}", f"{size} bytes, queue", work, count, 1, peers=FIFO)


def _from_many(producers: int) -> Case:
    work = partial(queues.from_many, producers=producers)
    what = f"small int, {producers} put"
    return Case(f"queue-from-{producers}", what, work, 40_000, 1, peers=FIFO)


def _by_workers(workers: int) -> Case:
    work = partial(pools.by_workers, workers=workers)
    what = f"task, {workers} workers"
    return Case(f"pool-by-{workers}", what, work, 5_000, 1, peers=EXECUTOR)


CURVES = (
    Curve(
        "a message through a Queue",
        "bytes of the message",
        {10**power: _of_size(10**power) for power in range(1, 8)},
    ),
    Curve(
        "a small int through a Queue that several put into",
        "processes that put",
        {number: _from_many(number) for number in (1, 2, 4, 8, 16)},
    ),
    Curve(
        "a tiny task through imap_unordered(chunksize=1)",
        "workers",
        {number: _by_workers(number) for number in (1, 2, 4, 8, 16)},
    ),
)

POINTS = tuple(case for curve in CURVES for case in curve.points.values())
