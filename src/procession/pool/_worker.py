"""What runs in a worker process.

Idea: get a task, get its function, call it, put the result. The labels of the messages say which
task and which function it is. Before a task counts as received its number stands in the worker's
status (the core writes it), so the parent of a worker that dies knows which task it had.

Invariant: for each task received there is a result, unless the process dies. Each step that calls
methods of the program's objects is guarded: what cannot be told is replaced by a text about it.

Layer: pool; runs in the workers.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import _core
from .._base import log, runtime
from .._launch import sigint_mask
from .._pickling import settings
from . import _worker_setup, _worker_status
from ._cancel_table import PoolEnded
from ._functions import FunctionCache
from ._options import WorkerOptions
from ._protocols import CANCELLED, FAILED, OK, SETUP_FAILED, STOP, Message
from ._remote_errors import MaybeEncodingError, portable, portable_text
from ._trace_spans import SpanRecorder


@dataclass(frozen=True)
class WorkerArguments:
    """All that a worker is given.

    Attributes:
        threads: how many threads libraries use.
        tasks, results: the pool's channels.
        spans: the channel for the spans of a trace; None: there is no trace.
        status: block with the statuses of all workers.
        index: of this worker's status.
        number: of this worker; no other of the pool has it.
        cpu_sharers: how many processes share the processors with this one, itself included.
        options: what the pool's owner wants.
    """

    threads: _worker_setup.LibraryThreads  # first: it is applied before the others are unpickled
    tasks: _core.TaskChannel
    results: _core.TaskChannel
    spans: _core.TaskChannel | None
    status: _core.Block
    index: int
    number: int
    cpu_sharers: int
    options: WorkerOptions


def main(arguments: WorkerArguments) -> None:
    """Run tasks until told to stop, or until as many are done as the pool's owner allows."""
    _have_own_signal_handlers()
    settings.refused_goes_by_value = False  # it is an error of the task
    runtime.cpu_sharers = arguments.cpu_sharers
    arguments.threads.apply()
    options = arguments.options
    try:
        _worker_setup.prepare(options, arguments.number)
    except BaseException as error:  # noqa: BLE001 - the pool tells the caller
        _put_error(arguments.results.send, portable, error, (0, SETUP_FAILED))
        sys.exit(1)
    _worker_status.write_status_of(arguments.tasks, arguments.status, arguments.index)
    get_task = arguments.tasks.receive
    put_result: Callable[[Any, int, int], object] = arguments.results.send
    if arguments.spans is not None:
        recorder = SpanRecorder(arguments.spans, arguments.number, get_task, put_result)
        get_task, put_result = recorder.get_task, recorder.put_result
    try:
        done = run_tasks(
            get_task,
            FunctionCache().get,
            put_result,
            _make_is_enough(options),
            portable,
            _worker_status.cancel_table_reader(arguments.status).has,
        )
        log.debug("worker exiting after %d tasks", done)
    except PoolEnded:
        log.debug("worker exiting, as the pool is terminated")
    if options.worker_exit is not None:
        options.worker_exit(_worker_setup.worker_state())


def _make_is_enough(options: WorkerOptions) -> Callable[[int], bool]:
    """Return what says, of the number of tasks done, whether the worker is to be replaced."""
    most, limit = options.max_tasks or math.inf, options.max_memory
    if limit is None:
        return lambda done: done >= most
    resident = _worker_setup.ResidentMemory()
    return lambda done: done >= most or (done > 0 and resident.bytes() > limit)


def _have_own_signal_handlers() -> None:
    """Do nothing on Ctrl-C, which reaches the whole process group; end by SIGTERM.

    The parent decides what becomes of a pool on Ctrl-C. For it there is a handler that does
    nothing, not SIG_IGN, which programs started by a task would inherit. A forked worker has
    inherited its parent's handler of SIGTERM and its wake-up descriptor, which are not for it.
    """
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sigint_mask.unblock(signal.SIGTERM)  # blocked since before the start: see `_ProcessStarter`


def run_tasks(
    get_task: Callable[[None], Message],
    get_function: Callable[[int, int], Callable[[Any], Any]],
    put_result: Callable[[Any, int, int], object],
    is_enough: Callable[[int], bool],
    wrap: Callable[[BaseException], Any],
    is_cancelled: Callable[[int], bool],
) -> int:
    """Run tasks until told to stop, or until *is_enough* says so; return how many were run.

    Args:
        get_task: returns (number, function's number, where that is, task, error).
        get_function: returns what to call with the task.
        put_result: sends (value, number, kind).
        wrap: makes of an exception what is sent for it.
        is_cancelled: whether the task of that number must not be begun.
    """
    done = 0
    while not is_enough(done):
        number, serial, offset, task, error = get_task(None)
        if serial == STOP:
            break
        if is_cancelled(number):
            put_result(None, number, CANCELLED)
            continue
        done += 1
        try:
            if error is not None:
                raise error
            value = get_function(serial, offset)(task)
        except BaseException as exc:  # noqa: BLE001 - SystemExit and the like end the task, no more
            _put_error(put_result, wrap, exc, (number, FAILED))
        else:
            try:
                put_result(value, number, OK)
            except BaseException as exc:  # noqa: BLE001 - the value's own pickling code; or no memory
                _put_error(put_result, wrap, _unsent(exc, value), (number, FAILED))
        task = value = error = None  # not kept alive until the next task comes
    return done


def _unsent(error: BaseException, value: object) -> BaseException:
    """Return the error for the caller of a task whose *value* could not be sent for *error*."""
    return error if isinstance(error, MemoryError) else MaybeEncodingError(error, value)


def _put_error(
    put_result: Callable[[Any, int, int], object],
    wrap: Callable[[BaseException], Any],
    error: BaseException,
    labels: tuple[int, int],
) -> None:
    """Send *error* for a task; if that cannot be sent, a short text that tells of it."""
    try:
        put_result(wrap(error), *labels)
    except BaseException as reason:  # noqa: BLE001 - the exception's own methods; or no memory
        put_result(portable_text(error, reason), *labels)
