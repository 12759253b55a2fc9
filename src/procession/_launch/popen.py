"""A parent's object for a child: how it ended, waiting for that, and signals.

Idea: a child's exit status can be fetched once. Fetching (reaping) is therefore one short step
under a lock, after a wait that takes nothing away: any number of threads may wait for one child,
and all of them learn its exit code.

A start is an object of the core (`_core.ProcessStart`), which knows the child from the moment that
it is made. Until `complete` it gives the start up when an exception passes, also one that the
handler of a signal raises between two bytecodes: the child is killed and waited for.

Invariant: the process id is signalled only while the child is not reaped, under the same lock, so a
signal never reaches another process that was given the same id. What the child held of the shared
arena is released at once when it is reaped.

Layer: process; imports base and the core.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from .. import _core, util
from .._base import launch_state, log
from . import exit_reason
from .sentinel import Sentinel, wait_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..process import BaseProcess

# The exit code of a child whose status other code of the program has fetched.
UNKNOWN_EXITCODE = 255

exit_reason.count_oom_kills()  # the first start imports this module, before the first child runs


class BasePopen:
    """Starts a child for a process object and stands for it in the parent.

    A subclass defines `_launch`, which must set `pid`, `sentinel` and `finalizer`, and which tells
    `_start` of the child. The start is complete when the process object says so.
    """

    method = ""
    pid: int
    sentinel: int
    finalizer: util.Finalize | None

    def __init__(self, process_obj: BaseProcess):
        util._flush_std_streams()
        self.returncode: int | None = None
        self.finalizer = None
        self._reaping = allocate_lock()
        self._start = _core.ProcessStart()
        state = launch_state.state()
        try:
            self._launch(process_obj)
        except BaseException:
            launch_state.restore(state)
            self.cancel()
            raise

    def _launch(self, process_obj: BaseProcess) -> None:
        raise NotImplementedError

    def complete(self) -> None:
        """Note that the child is known: from now on its start is not given up any more."""
        self._start.complete()

    def cancel(self) -> bool:
        """Give the start up: kill the child, wait for its end, close the descriptors.

        Returns:
            False if the start is complete; then nothing is done.
        """
        if not self._start.cancel():
            return False
        self.close()
        return True

    def _open_sentinel(self, sentinel: Sentinel) -> None:
        """Open the sentinel of the child just started.

        Raises:
            OSError: no descriptor is left.
        """
        self.sentinel = sentinel.in_parent(self.pid)
        self.finalizer = util.Finalize(self, os.close, (self.sentinel,))

    def duplicate_for_child(self, fd: int) -> int:
        """Pass *fd* to the child; return the number by which the child will find it."""
        return fd

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """Return the exit code, None while the child runs; with *flag* 0 wait for its end."""
        if self.returncode is None:
            if flag != os.WNOHANG:
                self._await_end()
            with self._reaping:
                if self.returncode is None:
                    self._reap()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait up to *timeout* seconds (None: for ever) and return the exit code, or None."""
        if self.returncode is not None:
            return self.returncode
        if timeout is None:
            return self.poll(0)
        return self.poll() if wait_ended(self.sentinel, timeout) else None

    def _await_end(self) -> None:
        """Wait until the child has ended; its status can still be fetched then."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # other code reaped it: `_reap` will see
            wait_ended(self.sentinel, None)

    def _reap(self) -> None:
        """Fetch the status if the child has ended; the lock is held."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._was_reaped_elsewhere()
            return
        if pid == self.pid:
            self.returncode = os.waitstatus_to_exitcode(status)
            _core.reclaim_process(self.pid)

    def _was_reaped_elsewhere(self) -> None:
        """Note that a SIGCHLD handler fetched the status, or that SIGCHLD is ignored."""
        if not wait_ended(self.sentinel, 0):
            return
        self.returncode = UNKNOWN_EXITCODE
        log.sub_warning(
            "the exit status of process %d was taken by other code of this program; "
            "its exit code is reported as %d",
            self.pid,
            UNKNOWN_EXITCODE,
        )

    def _send_signal(self, number: int) -> None:
        """Send a signal unless the child has been reaped."""
        with self._reaping:
            if self.returncode is not None:
                return
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:  # other code reaped it
                pass

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send_named("SIGTERM")

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send_named("SIGKILL")

    def interrupt(self) -> None:
        """Send SIGINT."""
        self._send_named("SIGINT")

    def _send_named(self, name: str) -> None:
        from signal import Signals  # not cheap, and rarely needed

        self._send_signal(Signals[name])

    def close(self) -> None:
        """Close the descriptors; the child has ended."""
        if self.finalizer is not None:
            self.finalizer()
