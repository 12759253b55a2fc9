"""The fork server: a process with imported modules and nothing else, which forks on request.

Idea: what makes a fork dangerous (threads, locks, open files) and slow (much memory) is not here,
and what makes a fresh interpreter slow (imports) is done already. One loop waits for requests and
for the ends of children; it has no threads.

Invariant: the server ends when the last process of its family has: all of them, and nobody else,
hold the other end of its socket. It serves nobody but its own user, by the kernel's word, and its
own family, by the key in the request. A child keeps none of the server's descriptors. A failed fork
is reported to its client and ends nobody. The spare child, see `spare`, ends with the server at the
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
from .._launch import bootstrap, parent_death, sigint_mask
from ._prefork import Spare
from ._protocol import ENDED, FAILED, STARTED, Request, receive, write_answer

TYPE_CHECKING = False
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
        self._spare: Spare | None = None
        self._wants_spare = False  # the first request shows that children are wanted at all

    def serve(self) -> None:
        """Serve until the last client is gone."""
        try:
            self._serve()
        finally:
            if self._spare is not None:
                self._spare.dismiss()

    def _serve(self) -> None:
        self._take_signals()
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        poller.register(self._bell, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll(0 if self._wants_spare else None)}
            if not ready:
                self._make_spare()
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
        sigint_mask.unblock()  # until now they were: see `ForkServer`

    def _give_signals_back(self) -> None:
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
        if self._spare is not None and self._spare.pid == pid:
            self._spare.forget()
            self._spare = None
        _core.bury(pid)
        if status is not None:
            killed = end.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            write_answer(status, ENDED, pid, -end.si_status if killed else end.si_status)
            os.close(status)
        os.waitpid(pid, 0)

    # -------------------------------------------------------------------------------------- forking

    def _answer(self, request: Request) -> None:
        """Make the child; tell its client what went wrong, if so; else the child tells."""
        try:
            if request.uid != os.geteuid() or request.key != _core.family_id():
                raise PermissionError(errno.EPERM, "a stranger's request")
            pid = self._hand_over(request) or self._fork(request)
        except OSError as error:
            write_answer(request.status, FAILED, 0, error.errno or 1)
            request.close()
            return
        self._status_of[pid] = request.status
        for fd in request.descriptors:
            if fd != request.status:
                os.close(fd)
        self._wants_spare = self._spare is None

    def _fork(self, request: Request) -> int:
        """Fork the child; return its process id."""
        pid = parent_death.fork(request.ends)
        if pid == 0:
            self._be_child(lambda: request)
        return pid

    def _hand_over(self, request: Request) -> int | None:
        """Have the spare be the child; return its process id, None if there is no spare."""
        spare, self._spare = self._spare, None
        return spare.pid if spare is not None and spare.hand_over(request) else None

    def _make_spare(self) -> None:
        """Fork a spare, now that there is nothing else to do."""
        self._wants_spare = False
        with suppress(OSError):  # the next request will tell its client of it
            self._spare = Spare(self._be_child)

    def _be_child(self, awaited: Callable[[], Request]) -> NoReturn:
        """Be a child: the one that will be asked for when *awaited* returns."""
        code = 1
        try:
            finalize.start_afresh()
            signal.set_wakeup_fd(-1)
            self._sock.close()
            util.close_fds(self._bell, self._ringer, *self._status_of.values())
            request = awaited()
            if request.deaf:
                sigint_mask.block()
            self._give_signals_back()
            heard = write_answer(request.status, STARTED, os.getpid())
            os.close(request.status)
            if heard:  # else the client was interrupted: nobody knows of this child
                code = become(request)
        except Exception:  # noqa: BLE001 - shown; the child ends here
            sys.excepthook(*sys.exc_info())
        finally:
            bootstrap.leave(code)


def become(request: Request) -> int:
    """In the child: be what *request* asks for; return the exit code."""
    global _arrived
    _arrived = request.others
    bootstrap.distinct_random_states()
    release: Callable[[], object] = lambda: _core.abandon(request.token)  # noqa: E731
    data = io.BytesIO(request.take_data())
    return spawn.run(data, request.lifeline, release, request.others)


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
    """Do *step*; a child will do it again and show the error, so here it may be passed over."""
    try:
        step()
    except (Exception, SystemExit) as error:
        if on_error == "fail":
            raise
        if on_error == "warn":
            import warnings

            warnings.warn(f"the fork server cannot preload {name!r}: {error!r}", stacklevel=2)
