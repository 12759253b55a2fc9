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
from ._base import runtime
from ._launch import parent_death, sigint_mask, start_data
from ._launch.popen import UNKNOWN_EXITCODE, BasePopen
from ._launch.sentinel import wait_readable
from .forkserver._protocol import ENDED, FAILED, Request, read_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .process import BaseProcess

__all__ = ["Popen"]

_MOST_ATTEMPTS = 3  # at a start, each with a new server; a server does not die twice by chance


class _ServerLostError(EOFError):
    """The fork server ended before it forked."""


class _DupFd:
    """A descriptor on its way to the child, known by its place among all of them."""

    def __init__(self, ind: int):
        self.ind = ind

    def detach(self) -> int:
        """Return the descriptor; it is the caller's."""
        fd: int = forkserver.get_inherited_fds()[self.ind]
        return fd


class Popen(BasePopen):
    """A client's hold on a child of the fork server."""

    method = "forkserver"
    DupFd = _DupFd

    def __init__(self, process_obj: BaseProcess):
        self._fds: list[int] = []
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        """Have the child given *fd*; return its place among the descriptors given."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def _launch(self, process_obj: BaseProcess) -> None:
        for _ in range(_MOST_ATTEMPTS - 1):
            try:
                self._attempt(process_obj)
            except _ServerLostError:
                continue
            return
        self._attempt(process_obj)

    def _attempt(self, process_obj: BaseProcess) -> None:
        """Have the server fork the child; raise _ServerLostError if there is no server."""
        forkserver.ensure_running()
        self._fds.clear()
        token = _core.reserve_slot()
        try:
            data, root = self._payload(process_obj, token)
            self._start(data, token, process_obj.die_with_parent, root)
        except BaseException:
            _core.abandon(token)
            raise
        _core.launched(token, self.pid)
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel,))

    def _payload(self, process_obj: BaseProcess, token: int) -> tuple[bytes, int | None]:
        """Return the two pickles and, if the child dies with it, the place of the root's pipe."""
        preparation: dict[str, Any] = spawn.get_preparation_data(process_obj.name)
        heirlooms = runtime.inherited_fds.items()
        places = {name: self.duplicate_for_child(fd) for name, fd in heirlooms}
        preparation["heirlooms"] = places
        root = None if process_obj.outlives_family else places[parent_death.ROOT]
        return start_data.build(process_obj, preparation, self, token), root

    def _start(self, data: bytes, token: int, bond: bool, root: int | None) -> None:
        """Ask for the child and learn its process id."""
        self.sentinel, status = os.pipe()
        try:
            try:
                request = Request(token, status, parent_death.read_end(), self._fds)
                request.bond, request.root, request.data = bond, root, data
                request.key = _core.family_id()
                request.deaf = sigint_mask.are_blocked()  # in this thread: a child inherits that
                self._ask(request)
            finally:
                os.close(status)
            if request.deaf:  # the server may only just have been started
                with sigint_mask.let_through():
                    wait_readable(self.sentinel, None)
            self._learn_pid()
        except BaseException:
            os.close(self.sentinel)  # a child that comes to be only now leaves: nobody hears it
            raise

    def _ask(self, request: Request) -> None:
        try:
            self._server = forkserver.connect_to_new_process(request)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _ServerLostError(str(error)) from error

    def _learn_pid(self) -> None:
        try:
            kind, self.pid, number = read_answer(self.sentinel)
        except EOFError as error:
            forkserver.give_up(self._server)
            raise _ServerLostError(str(error)) from error
        if kind == FAILED:
            raise OSError(number, f"the fork server could not fork: {os.strerror(number)}")
        if kind == ENDED:
            self.returncode = number

    def _await_end(self) -> None:
        wait_readable(self.sentinel, None)

    def _reap(self) -> None:
        """Read how the child ended, if it has; the lock is held."""
        if not wait_readable(self.sentinel, 0):
            return
        try:
            self.returncode = read_answer(self.sentinel)[2]
        except EOFError:  # the server was killed: nobody knows
            self.returncode = UNKNOWN_EXITCODE
        # The server closes its end next: only then does the sentinel stay ready for ever.
        wait_readable(self.sentinel, None)

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
                if not wait_readable(self.sentinel, 0):  # so the id was the child's when opened
                    signal.pidfd_send_signal(pidfd, number)
            finally:
                os.close(pidfd)

    def _kill_by_id(self, number: int) -> None:
        if not wait_readable(self.sentinel, 0):
            os.kill(self.pid, number)
