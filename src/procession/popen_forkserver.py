"""Starting a child through the fork server.

Idea: the child is not this process's but the server's, so its end is reported by the server,
through a pipe: first the process id, at the end the exit code. The pipe is the sentinel.

Invariant: as long as nothing has come through the pipe after the process id, the server has not
reaped the child, and the id is the child's.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from . import _core, forkserver, spawn, util
from ._base import poll, runtime
from ._base.deadline import Deadline
from ._launch import parent_death, sigint_mask, start_data
from ._launch.popen import UNKNOWN_EXITCODE, BasePopen
from .forkserver._protocol import ENDED, FAILED, STARTED, Descriptors, Request, read_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .process import BaseProcess

__all__ = ["Popen"]

_MAX_ATTEMPTS = 3  # at a start, each with a new server; a server does not die twice by chance


class _ServerLostError(EOFError):
    """The fork server ended before it forked."""


class _DupFd:
    """A descriptor that the child is given, known by its index among all of them."""

    def __init__(self, ind: int):
        self.ind = ind

    def detach(self) -> int:
        """Return the descriptor, which the caller owns from now on."""
        fds = forkserver.get_inherited_fds()
        if fds is None:
            raise RuntimeError("this process was not started by the fork server")
        return fds[self.ind]


class Popen(BasePopen):
    """A client's object for a child of the fork server."""

    method = "forkserver"
    DupFd = _DupFd

    def __init__(self, process_obj: BaseProcess):
        self._fds: list[int] = []
        self.pid, self.sentinel = 0, -1
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        """Have the child given *fd*; return its index among the descriptors given."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def _launch(self, process_obj: BaseProcess) -> None:
        for _ in range(_MAX_ATTEMPTS - 1):
            try:
                self._attempt(process_obj)
            except _ServerLostError:
                self.cancel()
                continue
            return
        self._attempt(process_obj)

    def _attempt(self, process_obj: BaseProcess) -> None:
        """Have the server fork the child; raise _ServerLostError if there is no server."""
        forkserver.ensure_running()
        self._fds.clear()
        token = self._start.reserve()
        self._ask(self._request(process_obj, token))
        self._learn_pid()
        _core.set_slot_pid(token, self.pid)
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel,))

    def _request(self, process_obj: BaseProcess, token: int) -> Request:
        """Pickle the child; its descriptors are in `_fds` then."""
        preparation: dict[str, Any] = spawn.get_preparation_data(process_obj.name)
        inherited = runtime.inherited_fds.items()
        indexes = {name: self.duplicate_for_child(fd) for name, fd in inherited}
        preparation["inherited_fds"] = indexes
        return Request(
            _core.family_id(),
            token,
            start_data.build(process_obj, preparation, self, token),
            die_with_parent=process_obj.die_with_parent,
            root=None if process_obj.outlives_family else indexes[parent_death.ROOT],
            sigint_blocked=sigint_mask.is_blocked(),  # a child inherits this from the thread
        )

    def _ask(self, request: Request) -> None:
        """Ask for the child."""
        self.sentinel, status = os.pipe()
        try:
            self._send(request, Descriptors(status, parent_death.pipe_fd(), self._fds))
        finally:
            os.close(status)
        if request.sigint_blocked:  # the server may still be starting, which takes long
            with sigint_mask.unblocked():
                self._wait_for_answer(None)

    def cancel(self) -> bool:
        """Give the start up: see `BasePopen.cancel`.

        First the slot is released. A child that finds no slot ends, before it runs its target; one
        that was faster has written its process id before. A child that is forked only later cannot
        write that, and ends.
        """
        if not self._start.cancel():
            return False
        forkserver._forkserver.release_lock()
        if self.sentinel >= 0:
            self._end_unknown_child()
            if self.finalizer is None:
                os.close(self.sentinel)
            self.sentinel = -1
        self.close()
        return True

    def _end_unknown_child(self) -> None:
        if self.pid == 0 and self._wait_for_answer(0):
            with suppress(OSError, EOFError):  # there is no child
                kind, pid, _ = read_answer(self.sentinel)
                self.pid = pid if kind == STARTED else 0
        if self.pid != 0 and self.returncode is None:
            self._send_signal(signal.SIGKILL)
            self._await_end()
        self.pid, self.returncode = 0, None

    def _send(self, request: Request, fds: Descriptors) -> None:
        try:
            self._server = forkserver.connect_to_new_process(request, fds)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _ServerLostError(str(error)) from error

    def _learn_pid(self) -> None:
        try:
            kind, self.pid, number = read_answer(self.sentinel)
        except EOFError as error:
            forkserver.disconnect(self._server)
            raise _ServerLostError(str(error)) from error
        if kind == FAILED:
            raise OSError(number, f"the fork server could not fork: {os.strerror(number)}")
        if kind == ENDED:
            self.returncode = number

    def _wait_for_answer(self, timeout: float | None) -> bool:
        """Wait up to *timeout* seconds for an answer, or for the end of the pipe."""
        return poll.wait_readable(self.sentinel, Deadline(timeout))

    def _await_end(self) -> None:
        self._wait_for_answer(None)

    def _reap(self) -> None:
        """Read how the child ended, if it has; the lock is held."""
        if not self._wait_for_answer(0):
            return
        try:
            self.returncode = read_answer(self.sentinel)[2]
        except EOFError:  # the server was killed: no process knows
            self.returncode = UNKNOWN_EXITCODE
        # The server closes its end next: only then does the sentinel stay ready for ever.
        self._wait_for_answer(None)

    def _send_signal(self, number: int) -> None:
        with self._reaping, suppress(ProcessLookupError):
            if self.returncode is not None:
                return
            try:
                pidfd = os.pidfd_open(self.pid)
            except (OSError, AttributeError):  # ended, or a system without
                self._kill_by_id(number)
                return
            try:
                if not self._wait_for_answer(0):  # so the id was the child's when it was opened
                    signal.pidfd_send_signal(pidfd, number)
            finally:
                os.close(pidfd)

    def _kill_by_id(self, number: int) -> None:
        if not self._wait_for_answer(0):
            os.kill(self.pid, number)
