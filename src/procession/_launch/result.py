"""The result of a process, or its exception, sent from child to parent.

Idea: each process has a channel to its parent, which costs nothing until something is put into it,
and what was put there stays when the child is gone. What `run` returns is put there only if the
process was made with ``returns=True``, and not if it is None.

Invariant: `receive` always gives a value or an exception. What cannot be pickled arrives as an
error that says so. A child that was killed arrives as an error that says how it ended.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import os
import pickle
from _thread import RLock

from .._base import launch_state, safe_text
from .._base.errors import ProcessLostError
from .._pickling import by_value, diagnose
from . import crash_report, exit_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core import Channel
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
    """Send the parent what `run` returned, or why that cannot be sent."""
    channel = process_obj._result_channel
    if channel is None:
        return
    try:
        data, handles = _dumps(result)
        channel.put((_RESULT, data, handles, None))
    except KeyboardInterrupt:
        raise
    except MemoryError as error:
        _send_text(channel, f"there is no memory for its result: {safe_text.name_of(error)}", None)
    except BaseException as error:  # noqa: BLE001 - the result's own methods raised it
        why = diagnose.explanation("result", result, _dumps)
        _send_text(channel, f"{safe_text.name_of(error)}: {why}", None)


def _dumps(obj: object) -> tuple[bytes, list[Any]]:
    """Pickle *obj*. The handles in it are sent too, so that their blocks outlive this process."""
    with launch_state.collecting() as handles:
        return by_value.dumps(obj, for_parent=True), handles


def send_exception(process_obj: BaseProcess, error: BaseException, text: str) -> None:
    """Send the parent the exception that ended `run`; *text* is its traceback."""
    channel = process_obj._result_channel
    if channel is None:
        return
    try:
        data, handles = _dumps(error)
        rebuilt = pickle.loads(data)  # many an exception pickles but cannot be made from its pickle
        if not isinstance(rebuilt, BaseException):
            raise TypeError(f"its pickle gives a {type(rebuilt).__name__}")
        channel.put((_EXCEPTION, data, handles, text))
    except BaseException as reason:  # noqa: BLE001 - whatever its own methods raise; or no memory
        what, why = safe_text.name_of(error), safe_text.name_of(reason)
        _send_text(channel, f"{what} (the exception itself cannot be sent: {why})", text)


def _send_text(channel: Channel, said: str, text: str | None) -> None:
    """Send the parent a text in place of an object."""
    channel.put((_UNSENDABLE, said, None, text))


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
        error = _rebuilt(process_obj, data, exitcode)
    else:
        error = ProcessLostError(f"{process_obj.name}: {data}", process_obj.pid, exitcode)
    del handles
    if text is not None:
        safe_text.set_cause(error, RemoteTraceback(f'\n"""\n{text}"""'))
    return Result(None, error)


def _rebuilt(process_obj: BaseProcess, data: bytes, exitcode: int) -> BaseException:
    """Return the exception that *data* are the pickle of, or one that says why there is none."""
    unpickled = _unpickled(process_obj, data, exitcode, "exception")
    if unpickled.error is None and isinstance(unpickled.value, BaseException):
        return unpickled.value
    return unpickled.error or ProcessLostError(
        f"the exception of {process_obj.name} became a {type(unpickled.value).__name__}",
        process_obj.pid,
        exitcode,
    )


def _unpickled(
    process_obj: BaseProcess, data: bytes, exitcode: int, what: str = "result"
) -> Result:
    try:
        return Result(pickle.loads(data), None)
    except KeyboardInterrupt:
        raise
    except BaseException as reason:  # noqa: BLE001 - whatever the object's own methods raise
        why = safe_text.name_of(reason)
        said = f"the {what} of {process_obj.name} cannot be unpickled: {why}"
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
