"""Starting a child through the fork server.

Idea: the child is not this process's but the server's. It reports itself, through a socket of its
own: its process id and a pidfd, which is the sentinel and what signals are sent to. So its end is
read from the child itself, and the server may die before it. The server adds the exit code, through
the same socket; if the server is gone, the kernel is asked (`exit_status`).

Invariant: the pidfd is the child's, as the child has opened it. Where there are none, the child
holds its end of the socket until it ends, and the socket is the sentinel; as long as the server has
told no end, it has not reaped the child, and the process id is the child's.

Crash: a server that is killed before the fork closes the socket: the start is repeated with another
server. Killed later it costs the exit code at most.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from contextlib import suppress

from . import _core, forkserver, spawn, util
from ._base import log, poll, runtime
from ._base.deadline import Deadline
from ._base.known_fd import KnownFd
from ._launch import exit_status, parent_death, sigint_mask, start_data
from ._launch.popen import UNKNOWN_EXITCODE, BasePopen
from .forkserver._protocol import (
    ENDED,
    FAILED,
    Descriptors,
    Request,
    peek_start,
    read_answer,
    refuse_answers,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .process import BaseProcess

__all__ = ["Popen"]

# Attempts of a start, each with a new server. One that is killed says nothing of the next one. One
# that ends by itself will do so again: a module that it is to import cannot be imported.
_MAX_ENDED, _MAX_KILLED = 3, 30

_SERVER_WAIT = 0.2  # seconds for the server to tell the end of a child that was seen to have ended


class _ServerLostError(EOFError):
    """The fork server ended before it forked."""

    def __init__(self, error: Exception, *, was_killed: bool):
        super().__init__(str(error))
        self.was_killed = was_killed


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
        self._status = KnownFd()  # the socket for the answers
        self._pidfd: KnownFd | None = None  # None: the system has none
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        """Have the child given *fd*; return its index among the descriptors given."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def _launch(self, process_obj: BaseProcess) -> None:
        killed = ended = 0
        while True:
            try:
                self._attempt(process_obj)
                return
            except _ServerLostError as lost:
                self.cancel()
                killed, ended = killed + lost.was_killed, ended + (not lost.was_killed)
                if killed == _MAX_KILLED or ended == _MAX_ENDED:
                    raise

    def _attempt(self, process_obj: BaseProcess) -> None:
        """Have the server fork the child; raise _ServerLostError if there is no server."""
        forkserver.ensure_running()
        self._fds.clear()
        token = self._start.reserve()
        self._ask(self._request(process_obj, token))
        self._learn_pid()
        _core.set_slot_pid(token, self.pid)
        self.finalizer = util.Finalize(self, _close, (self._status, self._pidfd))

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
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._status = KnownFd(ours.detach())
            self._send(request, Descriptors(its.fileno(), parent_death.pipe_fd(), self._fds))
        if request.sigint_blocked:  # the server may still be starting, which takes long
            with sigint_mask.unblocked():
                self._wait_for_answer(None)

    def cancel(self) -> bool:
        """Give the start up: see `BasePopen.cancel`.

        First the slot is released. A child that finds no slot ends, before it runs its target.
        """
        if not self._start.cancel():
            return False
        forkserver._forkserver.release_lock()
        self._end_unknown_child()
        self.close()
        return True

    def _end_unknown_child(self) -> None:
        """Give the start up: a child that has reported itself is killed, a later one ends itself.

        From the refusal on no child can report itself; what came before can still be read.
        """
        if self._status.is_intact():
            refuse_answers(self._status.fd)
            with suppress(EOFError, OSError):
                if self.pid == 0:
                    self._receive_start()
        if self.pid != 0 and self.returncode is None:
            if self._pidfd is not None:
                self._send_signal(signal.SIGKILL)
                self._await_end()
                _close_copies(self._pidfd)
            elif self._read_end() is None:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
        _close(self._status, self._pidfd)
        self._pidfd = self.returncode = None
        self.pid, self.sentinel = 0, -1

    def _send(self, request: Request, fds: Descriptors) -> None:
        try:
            self._server = forkserver.connect_to_new_process(request, fds)
        except (BrokenPipeError, ConnectionResetError) as error:  # between a look and the sending
            raise _ServerLostError(error, was_killed=True) from error

    def _learn_pid(self) -> None:
        try:
            self._receive_start()
        except EOFError as error:
            was_killed = forkserver.disconnect(self._server)
            raise _ServerLostError(error, was_killed=was_killed) from error

    def _receive_start(self) -> None:
        """Receive the first answer: the process id, with the sentinel.

        Raises:
            EOFError: there is neither a child nor a server.
            OSError: the server could not fork, or there is no descriptor for the sentinel.
        """
        # A handler of a signal that raises does so here, before there is a descriptor to be lost.
        self._wait_for_answer(None)
        # It is taken out of the socket when all of it is noted: see `_end_unknown_child`.
        kind, pid, number, pidfd = peek_start(self._status.fd)
        if kind == FAILED:
            raise OSError(number, f"the fork server could not fork: {os.strerror(number)}")
        self.pid = pid
        if pidfd is not None:
            self._pidfd = KnownFd(pidfd)
        self.sentinel = self._status.fd if pidfd is None else pidfd
        read_answer(self._status.fd)
        if kind == ENDED:
            self._note_end(number)
        elif number and pidfd is None:  # the kernel found no number for it
            raise OSError(
                errno.EMFILE,
                f"{os.strerror(errno.EMFILE)}: none is left for the sentinel of a new process; "
                "raise the limit RLIMIT_NOFILE, or close() the processes that have ended",
            )

    # ------------------------------------------------------------------------------------- its end

    def _wait_for_answer(self, timeout: float | None) -> bool:
        """Wait up to *timeout* seconds for an answer, or for the end of the socket."""
        return poll.wait_readable(self._status.fd, Deadline(timeout))

    def _has_ended(self, timeout: float | None) -> bool:
        """Wait up to *timeout* seconds for the end of the child; return whether it has ended."""
        if self._pidfd is None:
            return not self._status.is_intact() or self._wait_for_answer(timeout)
        if not self._pidfd.is_intact() and not self._reopen_pidfd(self._pidfd):
            return True
        return poll.wait_readable(self._pidfd.fd, Deadline(timeout))

    def _reopen_pidfd(self, lost: KnownFd) -> bool:
        """Open the child's pidfd again, which the program has closed; False if the child is gone.

        Since Linux 6.9 two pidfds of one process are the same file, and of no other process.
        """
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        if not lost.is_same(fd):
            os.close(fd)
            return False
        lost.fd = fd
        return True

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait up to *timeout* seconds (None: for ever) and return the exit code, or None."""
        if self.returncode is None and not self._has_ended(timeout):
            return None
        return self.poll()

    def _await_end(self) -> None:
        self._has_ended(None)

    def _reap(self) -> None:
        """Learn how the child ended, if it has; the lock is held."""
        if not self._has_ended(0):
            return
        told = self._read_end()
        if told is None:
            told = self._ask_for_end()
        self._note_end(told)

    def _read_end(self) -> int | None:
        """Return what the server tells of the end; None if it cannot: it was killed or stopped."""
        if not self._status.is_intact():  # the program has closed it
            return None
        if not self._wait_for_answer(None if self._pidfd is None else _SERVER_WAIT):
            return None
        try:
            return read_answer(self._status.fd)[2]
        except EOFError:
            return None

    def _ask_for_end(self) -> int:
        """Do what the server has not done: release what the child held, ask how it ended."""
        told = None
        if self._pidfd is not None:
            told = exit_status.exitcode_of(self._pidfd.fd, self.pid)
        _core.reclaim_process(self.pid)
        if told is None:
            told = UNKNOWN_EXITCODE
            log.sub_warning(
                "the fork server was killed before its child, process %d, ended, and this system "
                "does not tell how that was: its exit code is reported as %d",
                self.pid,
                told,
            )
        return told

    def _note_end(self, exitcode: int) -> None:
        """Note the exit code; from here on the sentinel is ready for ever."""
        self.returncode = exitcode
        if self._pidfd is None and self._status.is_intact():
            refuse_answers(self._status.fd)

    def _send_signal(self, number: int) -> None:
        with self._reaping, suppress(ProcessLookupError):
            if self.returncode is not None or self._has_ended(0):
                return
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd.fd, number)
            else:
                os.kill(self.pid, number)


def _close(*fds: KnownFd | None) -> None:
    for fd in fds:
        if fd is not None:
            fd.close()


def _close_copies(pidfd: KnownFd) -> None:
    """Close what an exception between two bytecodes has lost: received, and not noted.

    Nothing else in this process can have a pidfd of a child whose start was given up. Before Linux
    6.9 all pidfds are one file: then a lost one stays open.
    """
    with suppress(OSError):
        own = os.pidfd_open(os.getpid())
        are_distinct = not pidfd.is_same(own)
        os.close(own)
        for fd in map(int, os.listdir("/proc/self/fd")) if are_distinct else ():
            if fd != pidfd.fd and pidfd.is_same(fd):
                os.close(fd)
