"""The fork server: a process with imported modules and nothing else, which forks on request.

Idea: what makes a fork dangerous (threads, locks, open files) and slow (much memory) is not here,
and what makes a fresh interpreter slow (imports) is done already. One loop waits for requests and
for the ends of children; it has no threads.

Invariant: the server ends when the last process of its family has: all of them, and nobody else,
hold the other end of its socket. It serves nobody but its own user, by the kernel's word, and its
own family, by the key in the request. A child keeps none of the server's descriptors. A failed fork
is reported to its client and ends nobody.

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

from .. import _ambient, _core, _finalize, spawn, util
from . import child, lifeline
from .request import ENDED, FAILED, STARTED, Request, receive, write_answer

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class Server:
    """The loop and what it keeps."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._status_of: dict[int, int] = {}  # pid of a living child -> pipe to its client
        self._bell, self._ringer = os.pipe()
        for fd in (self._bell, self._ringer):
            os.set_blocking(fd, False)
        self._handlers: dict[int, Any] = {}

    def serve(self) -> None:
        """Serve until the last client is gone."""
        self._take_signals()
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        poller.register(self._bell, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if self._bell in ready:
                self._reap_all()
            if self._sock.fileno() in ready:
                try:
                    request = receive(self._sock)
                except ValueError:  # a stranger's; nobody is there to be told
                    continue
                if request is None:
                    return
                self._answer(request)

    # -------------------------------------------------------------------------------------- signals

    def _take_signals(self) -> None:
        """Ring the bell when a child ends; leave Ctrl-C to those who do the work."""
        wanted: dict[int, Any] = {signal.SIGCHLD: _ignore, signal.SIGINT: signal.SIG_IGN}
        self._handlers = {number: signal.signal(number, to) for number, to in wanted.items()}
        signal.set_wakeup_fd(self._ringer)

    def _give_signals_back(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _reap_all(self) -> None:
        """Tell the clients of all children that have ended how they did."""
        with suppress(BlockingIOError):
            while os.read(self._bell, 4096):
                pass
        with suppress(ChildProcessError):
            while (end := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                self._reap(end)

    def _reap(self, end: os.waitid_result) -> None:
        """Tell how a child ended, then reap it.

        In this order: until the client has been told, the process id is not given to another, so
        the client may send signals to it.
        """
        pid = end.si_pid
        status = self._status_of.pop(pid, None)
        _core.bury(pid)
        if status is not None:
            killed = end.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            write_answer(status, ENDED, pid, -end.si_status if killed else end.si_status)
            os.close(status)
        os.waitpid(pid, 0)

    # -------------------------------------------------------------------------------------- forking

    def _answer(self, request: Request) -> None:
        """Fork; tell the client what went wrong, if so. That all is well the child tells."""
        try:
            if request.uid != os.geteuid() or request.key != _core.family_id():
                raise PermissionError(errno.EPERM, "a stranger's request")
            pid = _core.fork()
        except OSError as error:
            write_answer(request.status, FAILED, 0, error.errno or 1)
            request.close()
            return
        if pid == 0:
            self._be_child(request)
        self._status_of[pid] = request.status
        for fd in (request.lifeline, *request.others):
            os.close(fd)

    def _be_child(self, request: Request) -> NoReturn:
        """Be the child that was asked for."""
        code = 1
        try:
            write_answer(request.status, STARTED, os.getpid())
            _finalize.start_afresh()
            self._give_signals_back()
            self._drop_descriptors(request.status)
            code = become(request)
        except Exception:  # noqa: BLE001 - shown; the child ends here
            sys.excepthook(*sys.exc_info())
        finally:
            child.leave(code)

    def _drop_descriptors(self, own_status: int) -> None:
        self._sock.close()
        util.close_fds(self._bell, self._ringer, own_status, *self._status_of.values())


def become(request: Request) -> int:
    """In the child: be what *request* asks for; return the exit code."""
    global _arrived
    _arrived = request.others
    parent_end = lifeline.adopt(request.lifeline, die_with_parent=request.bond)
    child.distinct_random_states()
    release: Callable[[], object] = lambda: _core.abandon(request.token)  # noqa: E731
    return spawn.run(io.BytesIO(request.data), parent_end, release, request.others)


_arrived: list[int] | None = None


def arrived_descriptors() -> list[int] | None:
    """What came with this process's request; None if the fork server did not start it."""
    return _arrived


def _ignore(*_: object) -> None:
    """A handler that does nothing; that there is one makes the signal ring the bell."""


# ------------------------------------------------------------------------------------------ preload


def preload(names: list[str], on_error: str, preparation: dict[str, Any]) -> None:
    """Import what the children will need.

    Raises:
        Exception: what an import raised, if *on_error* is ``fail``.
    """
    current: Any = _ambient.current_process()
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
    """Do *step*; a child will do it again and show the error, so here it may be passed over."""
    try:
        step()
    except (Exception, SystemExit) as error:
        if on_error == "fail":
            raise
        if on_error == "warn":
            import warnings

            warnings.warn(f"the fork server cannot preload {name!r}: {error!r}", stacklevel=2)
