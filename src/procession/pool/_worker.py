"""What runs in a worker process.

Idea: take a task, load its program, call it, put the result; the tags that come with the messages
say whose they are. Before a task counts as taken its number stands in the pool's block of claims
(the core writes it), so the parent of a worker that dies knows what it had.

Invariant: for each task taken there is exactly one result, unless the process dies.

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
from . import _seeds, _state, _worker_status
from ._functions import Loader
from ._inner_threads import InnerThreads
from ._memory import Resident
from ._options import Options
from ._remote_errors import MaybeEncodingError, portable
from ._trace_spans import Spans

# What the second tag of a result says.
OK, FAILED, LOST, TIMED_OUT, CANCELLED, REFUSED = range(6)
KINDS = 6

STOP = 0
"""The program number of the message that ends a worker; no block has it."""


@dataclass(frozen=True)
class Duty:
    """All that a worker gets.

    Attributes:
        inner_threads: how many threads libraries use.
        tasks, results: the pool's channels.
        noted: where to note when tasks began and ended; None if nowhere: see `spans`.
        seats: block with a seat for each worker.
        seat: the index of this worker's.
        number: of this worker; no other of the pool has it.
        sharers: how many processes share the processors with this one, itself included.
        options: what the pool's owner asks for.
    """

    inner_threads: InnerThreads  # first, so that it is in force before the others are unpickled
    tasks: _core.TaskChannel
    results: _core.TaskChannel
    noted: _core.TaskChannel | None
    seats: _core.Block
    seat: int
    number: int
    sharers: int
    options: Options


def main(duty: Duty) -> None:
    """Be a worker until told to stop, or until the tasks that were agreed are done."""
    _leave_interrupts_to_the_parent()
    settings.refused_goes_by_value = False  # it is an error of the task
    runtime.cpu_sharers = duty.sharers
    duty.inner_threads.settle()
    try:
        _prepare(duty.options, duty.number)
    except BaseException as error:  # noqa: BLE001 - the pool tells the caller
        duty.results.put_tagged(portable(error), 0, REFUSED)
        sys.exit(1)
    _worker_status.occupy(duty.seats, duty.seat, duty.tasks)
    take = duty.tasks.get_tagged
    answer: Callable[[Any, int, int], object] = duty.results.put_tagged
    if duty.noted is not None:
        between = Spans(duty.noted, duty.number, take, answer, CANCELLED)
        take, answer = between.take, between.answer
    done = serve(
        take,
        Loader().get,
        answer,
        _end_of(duty.options),
        portable,
        _worker_status.notices(duty.seats).has,
    )
    log.debug("worker exiting after %d tasks", done)
    if duty.options.worker_exit is not None:
        duty.options.worker_exit(_state.worker_state())


def _prepare(options: Options, number: int) -> None:
    """All that is done once in a worker, before its first task."""
    _seeds.settle(options.seed, number)
    _state.forget()
    if options.initializer is not None:
        options.initializer(*options.initargs)
    if options.worker_init is not None:
        _state.keep(options.worker_init())


def _end_of(options: Options) -> Callable[[int], bool]:
    """Says, of the number of tasks done, whether the worker has done enough."""
    most, limit = options.max_tasks or math.inf, options.max_memory
    if limit is None:
        return lambda done: done >= most
    resident = Resident()
    return lambda done: done >= most or (done > 0 and resident.bytes() > limit)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches the whole process group: the parent decides, the workers keep quiet.

    A handler that does nothing, not SIG_IGN, which programs started by a task would inherit.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda number, frame: None)
        sigint_mask.unblock()  # since before the start: see `Crew`


def serve(
    take: Callable[[None], tuple[int, int, int, Any, BaseException | None]],
    load: Callable[[int, int], Callable[[Any], Any]],
    answer: Callable[[Any, int, int], object],
    enough: Callable[[int], bool],
    wrap: Callable[[BaseException], Any],
    is_cancelled: Callable[[int], bool],
) -> int:
    """Do tasks until told to stop, or until there were *enough*; how many there were.

    Args:
        take: gives (number, program, where it is, task, error).
        load: gives what to call with the task.
        answer: sends (value, number, kind).
        wrap: makes of an exception what is sent for it.
        is_cancelled: whether the task of that number must not be begun.
    """
    done = 0
    while not enough(done):
        number, serial, offset, task, error = take(None)
        if serial == STOP:
            break
        if is_cancelled(number):
            answer(None, number, CANCELLED)
            continue
        done += 1
        try:
            if error is not None:
                raise error
            value = load(serial, offset)(task)
        except BaseException as exc:  # noqa: BLE001 - SystemExit and the like end the task, no more
            answer(wrap(exc), number, FAILED)
        else:
            try:
                answer(value, number, OK)
            except Exception as exc:  # noqa: BLE001 - the value's own pickling code
                answer(wrap(MaybeEncodingError(exc, value)), number, FAILED)
        task = value = error = None  # not kept alive until the next task comes
    return done
