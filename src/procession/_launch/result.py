"""The result of a process, or its exception, sent from child to parent.

Idea: each process has a channel to its parent, which costs nothing until something is put into it,
and what was put there stays when the child is gone. A child that returns None puts nothing.

Invariant: `receive` always gives a value or an exception. What cannot be pickled arrives as an
error that says so. A child that was killed arrives as an error that says how it ended.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import os
import pickle
from _thread import RLock

from .._base import launch_state
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
    """Send the parent what `run` returned."""
    channel = process_obj._result_channel
    if result is None or channel is None:
        return
    try:
        data, handles = _dumps(result)
    except Exception as error:  # noqa: BLE001 - the parent is told, if it asks
        why = diagnose.explanation("result", result, _dumps)
        channel.put((_UNSENDABLE, f"{error}: {why}", None, None))
    else:
        channel.put((_RESULT, data, handles, None))


def _dumps(obj: object) -> tuple[bytes, list[Any]]:
    """Pickle *obj*. The handles in it are sent too, so that their blocks outlive this process."""
    with launch_state.collecting() as handles:
        return by_value.dumps(obj, for_parent=True), handles


def send_exception(process_obj: BaseProcess, error: BaseException) -> None:
    """Send the parent the exception that ended `run`, with its traceback as text."""
    channel = process_obj._result_channel
    if channel is None:
        return
    import traceback  # only for an error

    text = "".join(traceback.format_exception(error))
    try:
        data, handles = _dumps(error)
        pickle.loads(data)  # many an exception pickles but cannot be made from its pickle
    except Exception as reason:  # noqa: BLE001 - whatever its own methods raise
        what = "".join(traceback.format_exception_only(error)).strip()
        said = f"{what} (the exception itself cannot be sent: {type(reason).__name__}: {reason})"
        channel.put((_UNSENDABLE, said, None, text))
    else:
        channel.put((_EXCEPTION, data, handles, text))


# ------------------------------------------------------------------------------------ in the parent


class Result:
    """What a process that has ended returned, or the exception that it raised."""

    def __init__(self, value: Any, error: BaseException | None):
        self.value, self.error = value, error


# A result can be received from its channel once; several threads may ask for it.
_receiving = RLock()
os.register_at_fork(after_in_child=_receiving._at_fork_reinit)  # type: ignore[attr-defined]


def receive(process_obj: BaseProcess, exitcode: int) -> Result:
    """Return the result of a process that ended with *exitcode*; the same object each time."""
    with _receiving:
        if process_obj._received_result is None:
            process_obj._received_result = _receive(process_obj, exitcode)
        return process_obj._received_result


def _receive(process_obj: BaseProcess, exitcode: int) -> Result:
    """Receive the result from the process's channel."""
    channel = process_obj._result_channel
    if channel is None or channel.empty():
        if exitcode == 0:
            return Result(None, None)
        return Result(None, _lost(process_obj, exitcode))
    message = channel.get(False)
    if type(message) is not tuple:  # a simple value is sent without a pickle
        return Result(message, None)
    kind, data, handles, text = message  # *handles* keep alive what the data refer to
    if kind == _RESULT:
        return _unpickled(process_obj, data, exitcode)
    if kind == _EXCEPTION:
        error: BaseException = pickle.loads(data)
    else:
        error = ProcessLostError(f"{process_obj.name}: {data}", process_obj.pid, exitcode)
    del handles
    if text is not None:
        error.__cause__ = RemoteTraceback(f'\n"""\n{text}"""')
    return Result(None, error)


def _unpickled(process_obj: BaseProcess, data: bytes, exitcode: int) -> Result:
    try:
        return Result(pickle.loads(data), None)
    except Exception as reason:  # noqa: BLE001 - whatever the result's own methods raise
        said = f"the result of {process_obj.name} cannot be unpickled: {reason!r}"
        error = ProcessLostError(said, process_obj.pid, exitcode)
        error.__cause__ = reason
        return Result(None, error)


def _lost(process_obj: BaseProcess, exitcode: int) -> ProcessLostError:
    pid = process_obj.pid
    how = exit_reason.describe(exitcode)
    said = f"process {process_obj.name} (pid {pid}) {how} and gave no result"
    report = crash_report.read(process_obj)
    if report:
        said += ". Its last words:\n" + report
    return ProcessLostError(said, pid, exitcode, report)
