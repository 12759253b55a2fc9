"""The fork server: a process with imported modules and nothing else, which forks on request.

Idea: what makes a fork dangerous (threads, locks, open files) and slow (much memory) is not here,
and what makes a fresh interpreter slow (imports) is done already. One loop waits for requests and
for the ends of children; the server has no threads.

Invariant: the server ends when the last process of its family has: these processes, and no other,
hold the other end of its socket. It serves its own user alone, by the kernel's word, and its own
family alone, by the key in the request. A child keeps none of the server's descriptors. A failed
fork is reported to its client and ends no process. The prefork child ends with the server at the
latest.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

# Not `signal`, whose functions turn every number into an enum and back, in each child.
import _signal as signal  # type: ignore[import-not-found]
import errno
import io
import os
import select
import socket
import sys
from contextlib import suppress

from .. import _core, spawn, util
from .._base import finalize, runtime
from .._base.wakeup import SignalWakeup
from .._launch import (
    bootstrap,  # noqa: F401 - for the children, see `preload`
    forked_child,
    parent_death,
    sigint_mask,
)
from .._pickling import core_hooks
from ._prefork import PreforkChild
from ._protocol import ENDED, FAILED, ReceivedRequest, receive, write_answer, write_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class Server:
    """The loop of the fork server, with its children."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._status_fds: dict[int, int] = {}  # pid of a living child -> socket to its client
        self._wakeup = SignalWakeup()
        self._handlers: dict[int, Any] = {}  # those that the children get back
        self._prefork: PreforkChild | None = None
        self._wants_prefork = False  # the first request shows that children are wanted at all

    def serve(self) -> None:
        """Serve until the last client is gone."""
        try:
            self._serve()
        finally:
            if self._prefork is not None:
                self._prefork.kill()

    def _serve(self) -> None:
        self._set_up_signals()
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        poller.register(self._wakeup, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll(0 if self._wants_prefork else None)}
            if not ready:
                self._fork_ahead()
            if self._wakeup.fileno() in ready:
                self._reap_all()
            if self._sock.fileno() in ready:
                try:
                    received = receive(self._sock)
                except ValueError:  # no request; there is no socket to answer to
                    continue
                if received is None:
                    return
                self._answer(received)

    # -------------------------------------------------------------------------------------- signals

    def _set_up_signals(self) -> None:
        """Be woken up when a child ends; leave Ctrl-C to the processes that work."""
        wanted: dict[int, Any] = {signal.SIGCHLD: _ignore, signal.SIGINT: signal.SIG_IGN}
        self._handlers = {number: signal.signal(number, to) for number, to in wanted.items()}
        signal.set_wakeup_fd(self._wakeup.write_fd)
        sigint_mask.unblock()  # the client has blocked it for the start

    def _restore_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _reap_all(self) -> None:
        """Reap all children that have ended, and tell their clients."""
        self._wakeup.clear()
        with suppress(ChildProcessError):
            while (end := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                self._reap(end)

    def _reap(self, end: os.waitid_result) -> None:
        """Tell the client how its child ended, then reap the child.

        In this order: until the client has been told, the process id is not given to another
        process, so the client may send signals to it.
        """
        pid = end.si_pid
        status = self._status_fds.pop(pid, None)
        if self._prefork is not None and self._prefork.pid == pid:
            self._prefork.on_exit()
            self._prefork = None
        _core.reclaim_process(pid)
        if status is not None:
            killed = end.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            write_answer(status, ENDED, pid, -end.si_status if killed else end.si_status)
            os.close(status)
        os.waitpid(pid, 0)

    # -------------------------------------------------------------------------------------- forking

    def _answer(self, received: ReceivedRequest) -> None:
        """Make the child, which tells the client; or tell the client why there is none."""
        fds = received.fds
        try:
            if received.uid != os.geteuid() or received.request.key != _core.family_id():
                raise PermissionError(errno.EPERM, "the request of another family")
            pid = self._assign(received) or self._fork(received)
        except OSError as error:
            write_answer(fds.status, FAILED, 0, error.errno or 1)
            util.close_fds(*fds.all())
            return
        self._status_fds[pid] = fds.status
        util.close_fds(*(fd for fd in fds.all() if fd != fds.status))
        self._wants_prefork = self._prefork is None

    def _fork(self, received: ReceivedRequest) -> int:
        """Fork the child; return its process id."""
        pid = parent_death.fork(received.death_pipes)
        if pid == 0:
            self._be_child(lambda: received)
        return pid

    def _assign(self, received: ReceivedRequest) -> int | None:
        """Make the prefork child, if there is one, the one asked for; return its process id."""
        child, self._prefork = self._prefork, None
        return child.pid if child is not None and child.assign(received) else None

    def _fork_ahead(self) -> None:
        """Fork a prefork child, now that there is nothing else to do."""
        self._wants_prefork = False
        with suppress(OSError):  # the next request meets the same error, and its client is told
            self._prefork = PreforkChild(self._be_child)

    def _be_child(self, await_request: Callable[[], ReceivedRequest]) -> NoReturn:
        """Be the child of the request that *await_request* returns."""
        code = 1
        try:
            finalize.reset_in_child()
            signal.set_wakeup_fd(-1)
            self._sock.close()
            self._wakeup.close()
            util.close_fds(*self._status_fds.values())
            received = await_request()
            if received.request.sigint_blocked:
                sigint_mask.block()
            self._restore_signals()
            if report_start(
                received.fds.status
            ):  # else the client was interrupted, and has given it up
                code = become(received)
        except Exception:  # noqa: BLE001 - shown; the child ends here
            sys.excepthook(*sys.exc_info())
        finally:
            forked_child.leave(code)


def report_start(status: int) -> bool:
    """In the child: tell the client of this process; return False if the client is gone.

    Without a pidfd, the client learns the end of this process from the end of *status*, which stays
    open therefore, in this process alone.
    """
    pidfd = _own_pidfd()
    is_awaited = write_start(status, os.getpid(), pidfd)
    if pidfd is None:
        os.register_at_fork(after_in_child=lambda: util.close_fds(status))
        return is_awaited
    os.close(pidfd)
    os.close(status)
    return is_awaited


def _own_pidfd() -> int | None:
    try:
        return os.pidfd_open(os.getpid())
    except (OSError, AttributeError):  # an old kernel; a sandbox; a C library without it
        return None


def become(received: ReceivedRequest) -> int:
    """In the child: be the process that is asked for; return its exit code."""
    global _fds_for_child
    _fds_for_child = received.fds.for_child
    forked_child.reseed_numpy()

    def release() -> None:
        """Give up the slot that holds what the child was given; it has references of its own."""
        if not _core.abandon_slot(received.request.token):
            sys.exit()  # the client has given the start up; see its `Popen.cancel`

    data = io.BytesIO(received.read_data())
    return spawn.run(data, received.fds.parent_pipe, release, received.fds.for_child)


_fds_for_child: list[int] | None = None


def get_inherited_fds() -> list[int] | None:
    """Return the descriptors that came with this process's request.

    Returns:
        None if the fork server did not start this process.
    """
    return _fds_for_child


def _ignore(*_: object) -> None:
    """A handler that does nothing. The interpreter wakes the loop only if there is a handler."""


# ------------------------------------------------------------------------------------------ preload


def preload(names: list[str], on_error: str, preparation: dict[str, Any]) -> None:
    """Import what the children will need; what the package itself needs is imported above.

    Raises:
        Exception: what an import raised, if *on_error* is ``fail``.
    """
    core_hooks.give()
    current: Any = runtime.current_process()
    current._inheriting = True  # the main module must not start processes while it is imported
    try:
        if "__main__" not in names:
            preparation = {k: v for k, v in preparation.items() if not k.startswith("init_main")}
        _try(lambda: spawn.prepare(preparation), "__main__", on_error)
    finally:
        del current._inheriting
    for name in names:
        if name != "__main__":
            _try(lambda name=name: __import__(name), name, on_error)  # type: ignore[misc]


def _try(step: Callable[[], object], name: str, on_error: str) -> None:
    """Do *step*, which imports *name*; an error may be ignored, as the child will show it."""
    try:
        step()
    except (Exception, SystemExit) as error:
        if on_error == "fail":
            raise
        if on_error == "warn":
            import warnings

            warnings.warn(f"the fork server cannot preload {name!r}: {error!r}", stacklevel=2)
