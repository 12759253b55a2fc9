"""Pools of worker processes and threads.

Idea: parent and workers share two channels, one for tasks and one for results. A task is the number
of a function in shared memory and its arguments; the thread that waits for a result meanwhile
receives for all threads. One watcher thread sleeps until a worker dies.

The parts, from the caller to the worker:

    _pool, _submit         the interface: a pool's states and end; its calls
    _options               the options of the workers, and those of a call
    _results, _imap        what callers wait for: one result, a list, an iterator
    _adaptive_map, _chunking         how a map is cut and sent
    _imap_input, _prefetch           how far an imap draws its input
    _progress              how many items are done
    _dispatcher            which job waits for which task; `_protocols`: what it expects of others
    _time_limit            all that is done for ``timeout=``
    _supervisor            starts workers, and replaces dead ones
    _worker_status, _cancel_table    what workers and parent tell each other in shared memory
    _functions             functions in shared memory
    _remote_errors         what a task raised, and how a worker was lost
    _worker, _worker_setup           the loop in a worker, and what comes before it
    _stats                 what `Pool.stats` returns
    _trace, _trace_spans   the timeline of a pool
    _thread_pool           the same with threads

Layer: pool.
"""

from .._base.export import export
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
