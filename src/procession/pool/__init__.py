"""Pools of worker processes and threads.

Idea: parent and workers share two channels, one for tasks and one for results. A task is the number
of a program (a pickled function, shared once) and its arguments; the thread that waits for a result
receives for everybody meanwhile. One watcher thread sleeps until a worker dies.

The parts: `remote` errors that travel, `program` functions that travel, `worker` the loop in a
worker, `jobs` and `imap` what callers wait for, `feed` how an imap draws its input, `chunks` how
work is cut, `dispatcher` who waits for which task, `crew` the worker processes, `pool` the
interface, `threads` the same with threads.

Layer: pool.
"""

from .chunks import CHUNKS_PER_WORKER
from .imap import IMapIterator, IMapUnorderedIterator
from .jobs import ApplyResult, AsyncResult, MapResult
from .pool import CLOSE, INIT, RUN, TERMINATE, Pool
from .remote import ExceptionWithTraceback, MaybeEncodingError, RemoteTraceback
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
    "RemoteTraceback",
    "ThreadPool",
]

for _exported in (
    ApplyResult,
    ExceptionWithTraceback,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
    MaybeEncodingError,
    Pool,
    RemoteTraceback,
    ThreadPool,
):
    _exported.__module__ = __name__
