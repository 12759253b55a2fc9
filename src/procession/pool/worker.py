"""What runs in a worker process.

Idea: take a task, load its program, call it, put the result; the tags that come with the messages
say whose they are. Before a task counts as taken its number stands in the pool's block of claims
(the core writes it), so the parent of a worker that dies knows what it had.

Invariant: for each task taken there is exactly one result, unless the process dies.

Layer: pool; runs in the workers.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import _ambient, _core, _log
from . import seats, seeds
from .options import Options
from .program import Loader
from .remote import MaybeEncodingError, portable

# What the second tag of a result says.
OK, FAILED, LOST, TIMED_OUT, CANCELLED, REFUSED = range(6)

STOP = 0
"""The program number of the message that ends a worker; no block has it."""


@dataclass(frozen=True)
class Duty:
    """All that a worker gets.

    Attributes:
        tasks, results: the pool's channels.
        seats: block with a seat for each worker.
        seat: the index of this worker's.
        number: of this worker; no other of the pool has it.
        options: what the pool's owner asks for.
    """

    tasks: _core.TaskChannel
    results: _core.TaskChannel
    seats: _core.Block
    seat: int
    number: int
    options: Options


def main(duty: Duty) -> None:
    """Be a worker until told to stop, or until the tasks that were agreed are done."""
    _leave_interrupts_to_the_parent()
    _ambient.refused_goes_by_value = False  # it is an error of the task
    options = duty.options
    seeds.settle(options.seed, duty.number)
    if options.initializer is not None:
        try:
            options.initializer(*options.initargs)
        except BaseException as error:  # noqa: BLE001 - the pool tells the caller
            duty.results.put_tagged(portable(error), 0, REFUSED)
            sys.exit(1)
    seats.occupy(duty.seats, duty.seat, duty.tasks)
    load = Loader().get
    done = serve(duty.tasks.get_tagged, load, duty.results.put_tagged, options.max_tasks, portable)
    _log.debug("worker exiting after %d tasks", done)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches the whole process group: the parent decides, the workers keep quiet.

    A handler that does nothing, not SIG_IGN, which programs started by a task would inherit.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda number, frame: None)


def serve(
    take: Callable[[None], tuple[int, int, int, Any, BaseException | None]],
    load: Callable[[int, int], Callable[[Any], Any]],
    answer: Callable[[Any, int, int], object],
    limit: int | None,
    wrap: Callable[[BaseException], Any],
) -> int:
    """Do tasks until told to stop, or until there were *limit*; how many there were.

    Args:
        take: gives (number, program, where it is, task, error).
        load: gives what to call with the task.
        answer: sends (value, number, kind).
        wrap: makes of an exception what is sent for it.
    """
    done = 0
    while limit is None or done < limit:
        number, serial, offset, task, error = take(None)
        if serial == STOP:
            break
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
