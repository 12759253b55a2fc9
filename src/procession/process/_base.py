"""What a process does: start, run, end.

Idea: a process object is made in the parent and sent to the child with its target and arguments;
there it is what `current_process()` returns. How it is sent depends on the start method, a class
attribute that the contexts define. All else is the same for every method.

Invariant: the set of children has exactly those that were started here and not seen to end.

Layer: process; imports base. What only a start needs is imported by the first start.
"""

from __future__ import annotations

import itertools
import os
from _weakrefset import WeakSet

from .._base import runtime
from .._base.errors import TimeoutError  # noqa: A004 - the package's own
from ._info import AuthenticationString, ProcessInfo, _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .._core import Block, Channel
    from .._launch.popen import BasePopen
    from .._launch.result import Result

try:
    runtime.original_dir = os.path.abspath(os.getcwd())
except OSError:  # the folder is gone
    runtime.original_dir = None


def current_process() -> BaseProcess:
    """Return the object that stands for this process."""
    return runtime.current_process()


def parent_process() -> BaseProcess | None:
    """Return the object that stands for the parent process; None in the main process."""
    return runtime.parent_process()


def active_children() -> list[BaseProcess]:
    """Return the children of this process that are alive; those that ended are reaped."""
    _cleanup()
    return list(_children)


def _cleanup() -> None:
    """Reap the children that have ended."""
    for child in list(_children):
        if child._popen is not None and child._popen.poll() is not None:
            _children.discard(child)


class BaseProcess(ProcessInfo):
    """An activity that runs in a process of its own, as a `threading.Thread` does in a thread.

    Args:
        group: None; threads have such an argument too.
        target: what `run` calls, with *args* and *kwargs*.
        name: None for one made of the ancestors' numbers, such as ``Process-2:1``.
        daemon: whether the process is terminated when its parent ends; None: as its creator is.
        die_with_parent: whether it is killed when its parent is gone, however the parent ended, a
            SIGKILL included. None: daemons are, and so is every child of a process that is; others
            are killed when the first process of the family is gone. False: neither this process nor
            its descendants are.
        returns: whether what `run` returns is kept for `result`; else it is ignored.
    """

    _start_method: str | None = None
    _returns = False

    @staticmethod
    def _Popen(process_obj: Any) -> BasePopen:
        """Start a child for *process_obj*; each start method defines this."""
        raise NotImplementedError

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
        die_with_parent: bool | None = None,
        returns: bool = False,
    ):
        _check(group is None, "group argument must be None for now")
        creator = runtime.current_process()
        self._identity: tuple[int, ...] = (*creator._identity, next(_process_counter))
        self._config: dict[str, Any] = creator._config.copy()
        self._parent_pid = os.getpid()
        self._parent_name = creator._name
        self._popen = None
        self._closed = False
        self._target = target
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})
        self._name = name or type(self).__name__ + "-" + ":".join(map(str, self._identity))
        self._die_with_parent = die_with_parent
        if die_with_parent is False:
            self._config["outlives_family"] = True
        self._returns = bool(returns)
        self._result_channel: Channel | None = None
        self._crash_report: Block | None = None
        self._received_result: Result | None = None
        if daemon is not None:
            self.daemon = daemon
        _dangling.add(self)

    # ----------------------------------------------------------------------- start, control and end

    def run(self) -> object:
        """Do the work of the process, in the child: call the target. Subclasses may override it."""
        if self._target:
            return self._target(*self._args, **self._kwargs)
        return None

    def start(self) -> None:
        """Start the process. At most once, and by the process that made the object.

        Raises:
            RuntimeError: the main module is just being imported by a child (its guard is missing).
        """
        self._check_closed()
        _check(self._popen is None, "cannot start a process twice")
        _check(
            self._parent_pid == os.getpid(),
            "can only start a process object created by current process",
        )
        bootstrap = _import_bootstrap()
        _cleanup()
        # Set before the child is started, so that the child inherits it, whatever its method.
        self._die_with_parent = self._config["die_with_parent"] = self.die_with_parent
        self._result_channel = bootstrap._core.Channel()  # the first one makes the family's arena
        self._crash_report = bootstrap.crash_report.new_page()
        try:
            self._popen = self._Popen(self)
            self._sentinel = self._popen.sentinel
            _children.add(self)
            self._popen.complete()
        except BaseException:
            self._cancel_start()
            raise
        # The target may refer to this object: the cycle would keep both alive.
        del self._target, self._args, self._kwargs

    def _cancel_start(self) -> None:
        """Be a process that was not started, after an exception; its child is ended.

        If the start was complete, the child is known, and goes on.
        """
        if self._popen is None or self._popen.cancel():
            _children.discard(self)
            self._popen = None

    def join(self, timeout: float | None = None) -> None:
        """Wait until the process has ended, or up to *timeout* seconds."""
        self._check_closed()
        _check(self._parent_pid == os.getpid(), "can only join a child process")
        if self._popen is None:
            raise AssertionError("can only join a started process")
        if timeout is not None:
            from .._base.deadline import seconds_of  # most programs wait until the end

            timeout = seconds_of(timeout)
        if self._popen.wait(timeout) is not None:
            _children.discard(self)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end of the process, up to *timeout* seconds, and return what `run` did.

        Raises:
            TimeoutError: it has not ended in time.
            ProcessLostError: it was killed, or exited with a code other than 0, or its result
                cannot be sent.
            BaseException: what `run` raised; its cause is the traceback in the child, as text.
            ValueError: it has ended well, but was made without ``returns=True``.
        """
        result = self._wait_for_result(timeout)
        if result.error is not None:
            raise result.error
        if not self._returns:
            raise ValueError(
                f"what {self.name} returned was not kept: make it with Process(..., returns=True). "
                "Whether it failed tells exception()"
            )
        return result.value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end like `result`; return what ended `run`, or None if that returned."""
        return self._wait_for_result(timeout).error

    def _wait_for_result(self, timeout: float | None) -> Result:
        self.join(timeout)
        exitcode = self.exitcode
        if exitcode is None:
            raise TimeoutError(f"process {self.name} has not ended within {timeout} seconds")
        from .._launch.result import receive  # rarely used

        return receive(self, exitcode)

    def is_alive(self) -> bool:
        """Return whether the process was started and has not ended."""
        self._check_closed()
        if self is current_process():
            return True
        _check(self._parent_pid == os.getpid(), "can only test a child process")
        if self._popen is None:
            return False
        if self._popen.poll() is None:
            return True
        _children.discard(self)
        return False

    def terminate(self, *, tree: bool = False) -> None:
        """Send SIGTERM unless it has ended; with *tree* to its descendants too."""
        self._signal("SIGTERM", tree)

    def kill(self, *, tree: bool = False) -> None:
        """Send SIGKILL unless it has ended; with *tree* to its descendants too."""
        self._signal("SIGKILL", tree)

    def interrupt(self) -> None:
        """Send SIGINT unless it has ended: the process gets a KeyboardInterrupt."""
        self._signal("SIGINT", tree=False)

    def _signal(self, name: str, tree: bool) -> None:
        self._check_closed()
        from signal import Signals  # not cheap, and rarely needed

        popen = self._started()
        if tree:
            from .._launch.descendants import signal_descendants

            signal_descendants(popen.pid, Signals[name])
        popen._send_signal(Signals[name])

    def close(self) -> None:
        """Release the resources of the object; from then on its methods raise ValueError.

        Raises:
            ValueError: the process still runs.
        """
        if self._popen is not None:
            if self._popen.poll() is None:
                raise ValueError(
                    "Cannot close a process while it is still running. "
                    "You should first call join() or terminate()."
                )
            self._popen.close()
            self._popen = None
            del self._sentinel
            self._result_channel = self._crash_report = None
            _children.discard(self)
        self._closed = True

    def _started(self) -> BasePopen:
        if self._popen is None:
            raise AttributeError(f"process {self._name} has not been started")
        return self._popen

    # --------------------------------------------------------------------------------- in the child

    def _bootstrap(self, parent_sentinel: int | None = None) -> int:
        """Be this process, from here to its end; return the exit code."""
        bootstrap = _import_bootstrap()
        bootstrap.prepare(self._start_method)
        _forget_children()
        old_process = runtime.current_process()
        runtime.set_child_process(
            self, lambda: _ParentProcess(self._parent_name, self._parent_pid, parent_sentinel)
        )
        code: int = bootstrap.run(self)
        del old_process  # kept until now: finalizers that refer to it run after the target
        return code

    @staticmethod
    def _after_fork() -> None:
        """Run what was registered for a forked child; a fresh interpreter does nothing here."""
        _import_bootstrap().run_after_forkers()


class _ParentProcess(BaseProcess):
    """The parent of a child, as the child sees it."""

    def __init__(self, name: str, pid: int | None, sentinel: int | None):
        self._identity = ()
        self._name = name
        self._pid = pid
        self._parent_pid = None
        self._popen = None
        self._closed = False
        self._config = {}
        self._die_with_parent = None
        self._result_channel = self._crash_report = None
        if sentinel is not None:
            self._sentinel = sentinel

    def is_alive(self) -> bool:
        """Return whether the parent still runs."""
        return not self._wait(0)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the parent has ended, or up to *timeout* seconds."""
        self._wait(timeout)

    def _wait(self, timeout: float | None) -> bool:
        from .._launch.sentinel import wait_ended  # rarely used

        return wait_ended(self.sentinel, timeout)

    @property
    def ident(self) -> int | None:
        """The parent's process id."""
        return self._pid

    pid = ident


class _MainProcess(BaseProcess):
    """The process that the user started."""

    def __init__(self) -> None:
        self._identity = ()
        self._name = "MainProcess"
        self._parent_pid = None
        self._popen = None
        self._closed = False
        self._die_with_parent = None
        # All of this is inherited by the descendants.
        self._config = {"authkey": AuthenticationString(os.urandom(32)), "semprefix": "/mp"}

    def close(self) -> None:
        """Do nothing: this process goes on."""


_process_counter = itertools.count(1)
_children: set[BaseProcess] = set()
_dangling: WeakSet[BaseProcess] = WeakSet()  # for programs that look for forgotten processes


_bootstrap: Any = None


def _import_bootstrap() -> Any:
    """Return the module `_launch.bootstrap`, which the first start imports.

    The module is kept in a global: an import statement runs a part of the import system even if the
    module is there, and a forked child pays for all Python code that it runs with copied pages.
    """
    global _bootstrap
    if _bootstrap is None:
        from .._launch import bootstrap

        _bootstrap = bootstrap
    return _bootstrap


def _forget_children() -> None:
    """In a child: the children that it knows are its parent's; it has none yet."""
    global _process_counter
    _process_counter = itertools.count(1)
    if _children:
        _children.clear()


runtime.set_main_process(_MainProcess())
