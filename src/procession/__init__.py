"""Processes like threads: the interface of `multiprocessing`, on a foundation of its own.

Idea: every public name is the default context's, as a bound method or a class, so that
``procession.Lock()`` and ``procession.get_context().Lock()`` are the same.

Invariant: importing the package is cheap: it imports no socket, no pickle, no logging and not
the core; what a function needs is imported by its first call.

Layer: context.
"""

import sys

from . import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._log_forwarding import forward_logs as forward_logs
    from ._patching.install import install as install
    from ._patching.install import uninstall as uninstall
del TYPE_CHECKING

_default = context._default_context

Array = _default.Array
AuthenticationError = _default.AuthenticationError
Barrier = _default.Barrier
BoundedSemaphore = _default.BoundedSemaphore
BrokenLockError = _default.BrokenLockError
BufferTooShort = _default.BufferTooShort
Condition = _default.Condition
Event = _default.Event
JoinableQueue = _default.JoinableQueue
Lock = _default.Lock
Manager = _default.Manager
Pipe = _default.Pipe
Pool = _default.Pool
Process = _default.Process
ProcessError = _default.ProcessError
ProcessLostError = _default.ProcessLostError
Queue = _default.Queue
RLock = _default.RLock
RawArray = _default.RawArray
RawValue = _default.RawValue
Semaphore = _default.Semaphore
SimpleQueue = _default.SimpleQueue
TimeoutError = _default.TimeoutError
Value = _default.Value
WorkerLostError = _default.WorkerLostError
active_children = _default.active_children
allow_connection_pickling = _default.allow_connection_pickling
cpu_count = _default.cpu_count
current_process = _default.current_process
freeze_support = _default.freeze_support
get_all_start_methods = _default.get_all_start_methods
get_context = _default.get_context
get_logger = _default.get_logger
get_start_method = _default.get_start_method
log_to_stderr = _default.log_to_stderr
parent_process = _default.parent_process
set_executable = _default.set_executable
set_forkserver_preload = _default.set_forkserver_preload
set_start_method = _default.set_start_method

__all__ = [
    "Array",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BrokenLockError",
    "BufferTooShort",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "ProcessLostError",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "Semaphore",
    "SimpleQueue",
    "TimeoutError",
    "Value",
    "WorkerLostError",
    "active_children",
    "allow_connection_pickling",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
]

__version__ = "0.1.0"

SUBDEBUG = 5
SUBWARNING = 25

# A child that starts as a fresh interpreter runs the main module under this name; what it pickles
# there must be found here too.
if "__main__" in sys.modules:
    sys.modules["__mp_main__"] = sys.modules["__main__"]


def __getattr__(name: str) -> object:
    """Return what is not cheap to import, or is no part of what ``import *`` gives."""
    if name == "reducer":  # the module by which objects are pickled for children
        return _default.reducer
    if name in ("install", "uninstall"):
        from ._patching import install

        return getattr(install, name)
    if name == "forward_logs":
        from ._log_forwarding import forward_logs

        return forward_logs
    if name == "shared":
        import importlib  # `from . import` would ask here again

        return importlib.import_module(".shared", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
