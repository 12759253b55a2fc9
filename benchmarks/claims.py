"""The claims: which work, how much of it, and how many times faster it is said to be.

Idea: one table. A claim is measured by a function of a context and a count; how often is chosen so
that a measurement takes about half a second with the standard package.
"""

from __future__ import annotations

from . import locks, managers, pipes, pools, queues, shared, sockets, starts, sync
from .claim import Claim

FIFO = ("faster_fifo",)
POOLS = ("concurrent.futures", "loky", "joblib", "mpire", "pebble")
WHOLE = ("concurrent.futures", "loky", "joblib", "pebble")  # they leave an array in one piece
CALLS = ("concurrent.futures", "loky", "mpire", "pebble")  # they have single calls

CLAIMS = (
    Claim("queue-ints", "small int, queue", queues.small_ints, 60_000, 6, peers=FIFO),
    Claim("queue-ping-pong", "there and back, two queues", queues.ping_pong, 5_000, 6, peers=FIFO),
    Claim("queue-arrays", "10 MB numpy array, queue", queues.arrays, 100, 4, peers=FIFO),
    Claim("queue-tuples", "100-byte tuple, queue", queues.tuples, 40_000, 4, peers=FIFO),
    Claim("queue-2-2", "small int, two to two", queues.two_to_two, 40_000, 5),
    Claim("simple-ping-pong", "there and back, SimpleQueue", queues.simple_ping_pong, 5_000, 5),
    Claim("lock", "lock acquire, release", locks.acquire_release, 1_000_000, 1),
    Claim("lock-with", "with lock", locks.with_statement, 500_000, 3),
    Claim("rlock-with", "with rlock", sync.with_rlock, 500_000, 3),
    Claim("semaphore-with", "with semaphore", sync.with_semaphore, 500_000, 3),
    Claim("lock-contended", "with lock, two processes", sync.contended, 700_000, 2),
    Claim("event-ping-pong", "there and back, two events", sync.event_ping_pong, 5_000, 4),
    Claim("condition-ping-pong", "there, back, condition", sync.condition_ping_pong, 5_000, 4),
    Claim("barrier-ping-pong", "two meet at a barrier", sync.barrier_ping_pong, 5_000, 4),
    Claim("value-add", "with v.get_lock(): v.value += 1", sync.add_under_lock, 300_000, 3),
    Claim("array-item", "array item get and set", sync.array_items, 300_000, 2),
    Claim(
        "pool-imap",
        "task, imap_unordered(chunksize=1)",
        pools.single_tasks,
        10_000,
        12,
        peers=POOLS,
    ),
    Claim("pool-apply", "one apply", pools.one_apply, 1_500, 5, peers=CALLS),
    Claim("pool-async", "call, 10,000 apply_async", pools.many_calls, 10_000, 8, peers=CALLS),
    Claim("pool-map", "tiny task, one map of 100,000", pools.tiny_map, 100_000, 1.2, peers=POOLS),
    Claim("pool-starmap", "tiny task, one starmap", pools.star_map, 100_000, 1.2, peers=POOLS),
    Claim("pool-arrays", "8 MB array there and back, map", pools.arrays, 64, 3, peers=WHOLE),
    Claim("pool-heavy-tail", "task, heavy-tailed map", pools.heavy_tail, 2_000, 1, peers=POOLS),
    Claim("manager-get", "dict get, manager", managers.dict_get, 5_000, 4),
    Claim("manager-set", "dict set, manager", managers.dict_set, 5_000, 4),
    Claim("manager-queue", "queue put, get, manager", managers.queue_put_get, 3_000, 4),
    Claim("manager-lock", "with lock, manager", managers.with_lock, 3_000, 3),
    Claim("manager-namespace", "attribute set, get, manager", managers.namespace, 3_000, 3),
    Claim("manager-append", "list append, manager", managers.list_append, 5_000, 4),
    Claim("manager-4", "dict set or get, four clients", managers.four_clients, 20_000, 3),
    Claim("manager-tcp", "dict set, manager, TCP", managers.tcp_set, 3_000, 1),
    Claim("manager-tcp-20k", "20 kB dict set, manager, TCP", managers.tcp_set_long, 500, 1),
    Claim("import", "import", starts.imports, 10, 1, method=""),
    Claim("start-fork", "start, join; fork", starts.start_and_join("fork"), 200, 1, ""),
    Claim("start-value", "start, join; fork, a value", starts.with_value("fork"), 200, 1, ""),
    Claim("start-spawn", "start, join; spawn", starts.start_and_join("spawn"), 10, 1.3, ""),
    Claim(
        "start-server", "start, join; forkserver", starts.start_and_join("forkserver"), 100, 3, ""
    ),
    Claim("pipe-ping-pong", "there and back, pipe", pipes.ping_pong, 5_000, 2.5),
    Claim("pipe-mebibytes", "1 MiB send_bytes, pipe", pipes.mebibytes, 500, 1.5),
    Claim("pipe-arrays", "10 MB numpy array, pipe", pipes.arrays, 100, 3),
    Claim("tcp-ping-pong", "there and back, TCP", sockets.ping_pong, 5_000, 1),
    Claim("shared-dict-get", "d[key], manager's dict", shared.dict_get, 5_000, 20, method=""),
    Claim("shared-dict-set", "d[key] = i, manager's dict", shared.dict_set, 5_000, 20, method=""),
    Claim("shared-list-get", "l[i], manager's list", shared.list_get, 10_000, 20, method=""),
    Claim(
        "shared-list-append", "l.append(i), manager's", shared.list_append, 10_000, 20, method=""
    ),
    Claim("tcp-20k", "20 kB send_bytes, answer, TCP", sockets.long_messages, 100, 1),
)
