"""Pools of worker processes and threads.

Idea: parent and workers share two channels, one for tasks and one for results. A task is the number
of a function in shared memory and its arguments; the thread that waits for a result meanwhile
receives for all threads. One watcher thread sleeps until a worker dies.

The parts, from the caller to the worker:

    _pool, _submit        the interface: a pool's states and end; its calls
    _options              the options of the workers, and those of a call
    _results, _imap       what callers wait for: one result, a list, an iterator
    _adaptive_map         a map whose chunks are cut by how long those before took
    _chunking             how the items of a map are cut
    _imap_input           whether an imap draws more items, as one state
    _prefetch             how an imap draws them
    _progress             how many items are done
    _dispatcher           which job waits for which task
    _protocols            what the dispatcher expects of jobs and channels
    _time_limit           all that is done for ``timeout=``
    _supervisor           starts the workers, and replaces those that have died
    _worker_status        what each worker does, in shared memory
    _cancel_table         which tasks a worker must not begin, in shared memory
    _functions            the functions that tasks call, in shared memory
    _worker               the loop in a worker
    _worker_setup         what comes before it
    _remote_errors        what a task raised, and how a worker was lost
    _stats                what `Pool.stats` returns
    _trace, _trace_spans  the timeline of a pool: the parent's half, the worker's half
    _thread_pool          the same with threads

Layer: pool.
"""

from .._base import export
from ._chunking import CHUNKS_PER_WORKER
from ._imap import IMapIterator, IMapUnorderedIterator
from ._pool import CLOSE, INIT, RUN, TERMINATE, Pool
from ._remote_errors import ExceptionWithTraceback, MaybeEncodingError, RemoteTraceback
from ._results import ApplyResult, AsyncResult, MapResult
from ._stats import PoolStats, WorkerStats
from ._thread_pool import ThreadPool
from ._worker_setup import worker_state

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

export(__name__, ApplyResult, MapResult, IMapIterator, IMapUnorderedIterator)
export(__name__, ExceptionWithTraceback, MaybeEncodingError, RemoteTraceback)
export(__name__, Pool, PoolStats, ThreadPool, WorkerStats, worker_state)
