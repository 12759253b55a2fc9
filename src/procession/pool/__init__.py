"""Pools of worker processes and threads.

Idea: parent and workers share two channels, one for tasks and one for results. A task is the number
of a program (a pickled function, shared once) and its arguments; the thread that waits for a result
receives for everybody meanwhile. One watcher thread sleeps until a worker dies.

The parts: `calls` and `pool` the interface, `options` what its owner asks for; `jobs` and `imap`
what callers wait for, `terms` what they agree, `progress` how far it is; `feed` how an imap draws
its input, `fed` a map likewise, `chunks` how work is cut; `dispatcher` who waits for which task,
`contracts` what it expects of others; `crew` the worker processes, `losses` those that died,
`seats` and `cancelled` what they share with the parent, `worker` the loop in a worker, with
`seeds`, `memory`, `state` and `inner_threads` for its owner's wishes; `program` functions that
travel, `remote` errors that travel; `tally` what `Pool.stats` returns; `trace` and `spans` the
timeline of a pool; `threads` the same with threads.

Layer: pool.
"""

from ._chunking import CHUNKS_PER_WORKER
from ._imap import IMapIterator, IMapUnorderedIterator
from ._pool import CLOSE, INIT, RUN, TERMINATE, Pool
from ._remote_errors import ExceptionWithTraceback, MaybeEncodingError, RemoteTraceback
from ._results import ApplyResult, AsyncResult, MapResult
from ._state import worker_state
from ._stats import PoolStats, WorkerStats
from ._thread_pool import ThreadPool

__all__ = [
    "CHUNKS_PER_WORKER",
    "CLOSE",
    "INIT",
    "RUN",
    "TERMINATE",
    "ApplyResult",
    "AsyncResult",
    "ExceptionWithTraceback",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
    "MaybeEncodingError",
    "Pool",
    "PoolStats",
    "RemoteTraceback",
    "ThreadPool",
    "WorkerStats",
    "worker_state",
]

for _exported in (
    ApplyResult,
    ExceptionWithTraceback,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
    MaybeEncodingError,
    Pool,
    PoolStats,
    RemoteTraceback,
    ThreadPool,
    WorkerStats,
    worker_state,
):
    _exported.__module__ = __name__
