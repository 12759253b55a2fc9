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
        _take_identity(process_obj)
        log.info("child process calling self.run()")
        result = process_obj.run()
        if result is not None:
            _send_result(process_obj, result)
        code = 0
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException as error:  # noqa: BLE001 - the child ends here, whatever it was
        _report(process_obj, error)
        code = 1
    finally:
        _join_threads()
        util._flush_std_streams()
    log.info("process exiting with exitcode %d", code)
    return code


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
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    sys.stderr.write(f"{end.code}\n")
    return 1


def _report(process_obj: BaseProcess, error: BaseException) -> None:
    """Show the exception that ended the process, as the interpreter would, and tell the parent."""
    import traceback  # only for an error

    from .result import send_exception

    sys.stderr.write(f"Process {process_obj.name}:\n")
    traceback.print_exception(error)
    send_exception(process_obj, error)


_SIMPLE = (int, float, str, bytes, bool)  # types that a channel sends without a pickle


def _send_result(process_obj: BaseProcess, result: object) -> None:
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
