"""A child of any start method, from its identity to its exit code.

Idea: however it was started, a child becomes the process that its object describes, runs it, and
turns the way that ended into an exit code. Nothing here depends on the start method.

Invariant: `run` returns an exit code whatever is raised.

Layer: process; imports base.
"""

from __future__ import annotations

import sys

from .. import _core, util
from .._base import finalize, hooks, log
from . import crash_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..process import BaseProcess


def prepare(start_method: str | None) -> None:
    """Set up a child that was started by *start_method*, which is its own method from now on."""
    if start_method is not None:
        hooks.default_context._force_start_method(start_method)
    util._close_stdin()


def run(process_obj: BaseProcess) -> int:
    """Run the process and return its exit code."""
    try:
        code = _run_target(process_obj)
    finally:
        _join_threads()
    code = _flush(process_obj, code)
    log.info("process exiting with exitcode %d", code)
    return code


def _run_target(process_obj: BaseProcess) -> int:
    try:
        _take_identity(process_obj)
        log.info("child process calling self.run()")
        if process_obj._returns:
            _send_result(process_obj, process_obj.run())
        else:
            process_obj.run()  # what it returns is neither pickled nor kept
    except SystemExit as end:
        return _exit_code(end)
    except BaseException as error:  # noqa: BLE001 - the child ends here, whatever it was
        _report(process_obj, error)
        return 1
    return 0


def _take_identity(process_obj: BaseProcess) -> None:
    """Give the main thread, the core and the log the identity of this process."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading.main_thread()._set_native_id()
    _core.set_process_name(process_obj._name)  # other processes report it after this one's death
    if process_obj._crash_report is not None:
        crash_report.write_to(process_obj._crash_report)
    if "logging" in sys.modules:
        log.name_records()
    process_obj._after_fork()


def _exit_code(end: SystemExit) -> int:
    """Return what sys.exit means: None is success, a number itself, anything else a message."""
    code = SystemExit.__dict__["code"].__get__(end)  # a subclass may have one that raises
    if code is None:
        return 0
    if issubclass(type(code), int):
        return int.__and__(code, 0xFF)  # all that the kernel keeps
    from .._base import safe_text  # only for an error

    _show(safe_text.text_of(code, str))
    return 1


def _report(process_obj: BaseProcess, error: BaseException) -> None:
    """Show the exception that ended the process, and tell the parent."""
    from .._base import safe_text
    from .result import send_exception

    text = safe_text.traceback_of(error)
    name = safe_text.text_of(process_obj._name, str)
    _show(f"Process {name}:\n{text}".rstrip("\n"))
    send_exception(process_obj, error, text)


def _show(text: str) -> None:
    """Write *text* to standard error, which may be missing, closed, full or broken."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except Exception as error:  # noqa: BLE001 - the parent is told in any case
        log.debug("standard error took no report: %r", error)


def _flush(process_obj: BaseProcess, code: int) -> int:
    """Write out what the standard streams buffer; return the exit code, 1 if that fails.

    A stream that fails is set aside: the interpreter would flush it again when it ends, and have
    its failure for the exit code.
    """
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (AttributeError, ValueError):  # missing, closed
            continue
        except Exception as error:  # noqa: BLE001 - a full disk, a broken pipe, the program's own
            setattr(sys, name, None)
            if code == 0:
                _tell_failed_flush(process_obj, error)
            code = code or 1
    return code


def _tell_failed_flush(process_obj: BaseProcess, error: Exception) -> None:
    from .._base import safe_text  # only for an error
    from .result import send_exception

    send_exception(process_obj, error, safe_text.traceback_of(error))


_SIMPLE = (int, float, str, bytes, bool)  # types that a channel sends without a pickle


def _send_result(process_obj: BaseProcess, result: object) -> None:
    if result is None:
        return
    if type(result) in _SIMPLE and process_obj._result_channel is not None:
        process_obj._result_channel.put(result)
        return
    from .result import send_result  # not cheap, and most targets return nothing

    send_result(process_obj, result)


def _join_threads() -> None:
    """Join the threads that are not daemons, as at the end of a main program."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()


def run_after_forkers() -> None:
    """Run what was registered for a forked child; a fresh interpreter does not call this."""
    finalize._finalizer_registry.clear()
    finalize._run_after_forkers()
