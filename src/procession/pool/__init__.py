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

from .chunks import CHUNKS_PER_WORKER
from .imap import IMapIterator, IMapUnorderedIterator
from .jobs import ApplyResult, AsyncResult, MapResult
from .pool import CLOSE, INIT, RUN, TERMINATE, Pool
from .remote import ExceptionWithTraceback, MaybeEncodingError, RemoteTraceback
from .state import worker_state
from .tally import PoolStats, WorkerStats
from .threads import ThreadPool

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
