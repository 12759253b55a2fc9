"""What a process gave: its result, or its exception, from child to parent.

Idea: each process has a channel to its parent, which costs nothing until something is put into it,
and what was put there stays when the child is gone. A child that returns None puts nothing.

Invariant: `fetch` always ends in a value or an exception: what cannot travel arrives as an error
that says so, and a child that was killed as one that says how it ended.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import os
import pickle
from _thread import RLock

from .._base import runtime
from .._base.errors import ProcessLostError
from .._pickling import by_value, diagnose
from . import crash_report, exit_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..process import BaseProcess

_RESULT, _EXCEPTION, _UNSENDABLE = range(3)


class RemoteTraceback(Exception):
    """The traceback of an exception in another process, as text; the cause of that exception."""

    def __init__(self, tb: str):
        super().__init__(tb)
        self.tb = tb

    def __str__(self) -> str:
        return self.tb


# ------------------------------------------------------------------------------------- in the child


def send_result(process_obj: BaseProcess, result: object) -> None:
    """Give the parent what `run` returned."""
    outcome = process_obj._outcome
    if result is None or outcome is None:
        return
    try:
        data, handles = _dumps(result)
    except Exception as error:  # noqa: BLE001 - the parent shall know; only if it asks
        why = diagnose.explanation("result", result, _dumps)
        outcome.put((_UNSENDABLE, f"{error}: {why}", None, None))
    else:
        outcome.put((_RESULT, data, handles, None))


def _dumps(obj: object) -> tuple[bytes, list[Any]]:
    """Pickle *obj*; the handles in it go along, so that their blocks outlive this process."""
    with runtime.collecting() as handles:
        return by_value.dumps(obj, for_parent=True), handles


def send_exception(process_obj: BaseProcess, error: BaseException) -> None:
    """Give the parent the exception that ended `run`, with its traceback as text."""
    outcome = process_obj._outcome
    if outcome is None:
        return
    import traceback  # only for an error

    text = "".join(traceback.format_exception(error))
    try:
        data, handles = _dumps(error)
        pickle.loads(data)  # many an exception pickles but cannot be made from its pickle
    except Exception as reason:  # noqa: BLE001 - whatever its own methods raise
        what = "".join(traceback.format_exception_only(error)).strip()
        said = f"{what} (the exception itself cannot be sent: {type(reason).__name__}: {reason})"
        outcome.put((_UNSENDABLE, said, None, text))
    else:
        outcome.put((_EXCEPTION, data, handles, text))


# ------------------------------------------------------------------------------------ in the parent


class Outcome:
    """What a process that has ended gave, for those who ask, as often as they ask."""

    def __init__(self, result: Any, error: BaseException | None):
        self.result, self.error = result, error


# A result can be taken out of its channel once; several threads may ask for it.
_fetching = RLock()
os.register_at_fork(after_in_child=_fetching._at_fork_reinit)  # type: ignore[attr-defined]


def of(process_obj: BaseProcess, exitcode: int) -> Outcome:
    """Return what the process gave that ended with *exitcode*; the same each time."""
    with _fetching:
        if process_obj._fetched is None:
            process_obj._fetched = fetch(process_obj, exitcode)
        return process_obj._fetched


def fetch(process_obj: BaseProcess, exitcode: int) -> Outcome:
    """Take what the process gave out of its channel."""
    way = process_obj._outcome
    if way is None or way.empty():
        if exitcode == 0:
            return Outcome(None, None)
        return Outcome(None, _lost(process_obj, exitcode))
    given = way.get(False)
    if type(given) is not tuple:  # a plain value goes without a pickle
        return Outcome(given, None)
    kind, data, handles, text = given  # *handles* keep alive what the data refer to
    if kind == _RESULT:
        return _unpickled(process_obj, data, exitcode)
    if kind == _EXCEPTION:
        error: BaseException = pickle.loads(data)
    else:
        error = ProcessLostError(f"{process_obj.name}: {data}", process_obj.pid, exitcode)
    del handles
    if text is not None:
        error.__cause__ = RemoteTraceback(f'\n"""\n{text}"""')
    return Outcome(None, error)


def _unpickled(process_obj: BaseProcess, data: bytes, exitcode: int) -> Outcome:
    try:
        return Outcome(pickle.loads(data), None)
    except Exception as reason:  # noqa: BLE001 - whatever the result's own methods raise
        said = f"the result of {process_obj.name} cannot be unpickled: {reason!r}"
        error = ProcessLostError(said, process_obj.pid, exitcode)
        error.__cause__ = reason
        return Outcome(None, error)


def _lost(process_obj: BaseProcess, exitcode: int) -> ProcessLostError:
    pid = process_obj.pid
    how = exit_reason.description(exitcode)
    said = f"process {process_obj.name} (pid {pid}) {how} and gave no result"
    words = crash_report.of(process_obj)
    if words:
        said += ". Its last words:\n" + words
    return ProcessLostError(said, pid, exitcode, words)
