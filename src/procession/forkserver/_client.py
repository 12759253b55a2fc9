"""The fork server, as its clients see it.

Idea: client and server are joined by one pair of sockets. The server has one end; the other is an
inherited descriptor, which every process of the family has, whatever its start method. So there is
no address that a stranger could connect to and no file to be removed, and the server learns from
the kernel, as the end of its input, that the last of its clients is gone.

Invariant: at most one server per family as long as it lives; if it dies, the next start of each
process that notices makes a new one.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import os
import pickle
import socket
from _thread import RLock

from .. import _core, spawn, util
from .._base import finalize, log, poll, runtime
from .._launch import family_file, sigint_mask, start_data
from .._launch.sentinel import have_pidfd, wait_ended
from ._protocol import MAX_DESCRIPTORS as MAXFDS_TO_SEND
from ._protocol import Descriptors, Request, send
from ._server import Server, get_inherited_fds, preload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal

    _OnError = Literal["ignore", "warn", "fail"]

__all__ = [
    "MAXFDS_TO_SEND",
    "connect_to_new_process",
    "ensure_running",
    "get_inherited_fds",
    "main",
    "set_forkserver_preload",
]

_FD_NAME = "forkserver"  # among the inherited descriptors
_EXIT_WAIT = 0.5  # seconds that an exit waits for the server, which usually needs a millisecond


class ForkServer:
    """A client's side of the server of its family."""

    def __init__(self) -> None:
        self._lock: Any = RLock()
        os.register_at_fork(after_in_child=self._after_fork_in_child)
        self._forkserver_pid: int | None = None  # only in the process that started it
        self._preload_modules = ["__main__"]
        self._on_error: _OnError = "ignore"

    def _after_fork_in_child(self) -> None:
        self._lock = RLock()
        self._forkserver_pid = None

    def set_forkserver_preload(
        self, modules_names: Iterable[str], *, on_error: _OnError = "ignore"
    ) -> None:
        """Set what a server that is started from now on imports before it forks.

        Raises:
            TypeError: a name is not a string.
            ValueError: *on_error* is not one of ``ignore``, ``warn`` and ``fail``.
        """
        names = list(modules_names)
        if not all(type(name) is str for name in names):
            raise TypeError("module_names must be a list of strings")
        if on_error not in ("ignore", "warn", "fail"):
            raise ValueError(f"on_error must be 'ignore', 'warn' or 'fail', not {on_error!r}")
        self._preload_modules, self._on_error = names, on_error

    def ensure_running(self) -> None:
        """Start a server unless the family has one."""
        with self._lock:
            self._ensure_running()

    def _ensure_running(self) -> int:
        """Return this process's end of the socket to the server; the lock is held."""
        fd = runtime.inherited_fds.get(_FD_NAME)
        if fd is not None and not poll.hung_up(fd):
            return fd
        self._disconnect()
        self._reap()
        return self._start()

    def connect_to_new_process(self, request: Request, fds: Descriptors) -> int:
        """Ask the server for a child; it answers through the status pipe among *fds*.

        Returns:
            This process's end of the socket, for `disconnect`.

        Raises:
            ValueError: too many descriptors.
            OSError: the server has just ended.
        """
        with self._lock:
            fd = self._ensure_running()
            sock = None
            try:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fd)
                send(sock, request, fds)
            finally:
                if sock is not None:
                    sock.detach()
            return fd

    def disconnect(self, fd: int) -> bool:
        """Stop using the server that *fd* leads to: it has ended, or is about to.

        Returns:
            Whether it was killed by a signal; False if this process cannot know.
        """
        with self._lock:
            if runtime.inherited_fds.get(_FD_NAME) != fd:
                return False
            self._disconnect()
            return self._reap()

    # ---------------------------------------------------------------------------- start and end

    def _start(self) -> int:
        """Start a server; this process's end of the socket becomes an inherited descriptor."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, its:
            # Before the first request: the kernel notes the sender only from now on.
            its.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._spawn(its.fileno())
            runtime.inherited_fds[_FD_NAME] = fd = ours.detach()
        if self._end_at_exit not in finalize.exit_callbacks:
            finalize.exit_callbacks.append(self._end_at_exit)
        log.debug("fork server started, pid %d", self._forkserver_pid)
        return fd

    def _spawn(self, its_end: int) -> None:
        """Start the server, and note its process id."""
        wanted = ("sys_path", "sys_argv", "orig_dir", "dir", "stand_in")
        data = spawn.get_preparation_data("fork server")
        chosen = {k: v for k, v in data.items() if k in wanted or k.startswith("init_main")}
        preload_fd = start_data.in_memory_file(
            pickle.dumps((self._preload_modules, self._on_error, chosen))
        )
        start = _core.ProcessStart()  # gives the start up when it goes before complete()
        token = start.reserve()
        fds = {
            "socket_fd": its_end,
            "family_fd": family_file.descriptor(),
            "preload_fd": preload_fd,
        }
        arguments = ", ".join(f"{name}={number}" for name, number in fds.items())
        code = f"{spawn.import_statement('main', __name__)}; main({arguments}, token={token})"
        exe = spawn.executable()
        try:
            with sigint_mask.blocked():  # until the server ignores it
                pid = util.spawnv_passfds(
                    exe,
                    [exe, *util._args_from_interpreter_flags(), "-c", code],
                    fds.values(),
                    launch=start.launch,
                )
        finally:
            os.close(preload_fd)
        self._forkserver_pid = pid
        start.complete()

    def release_lock(self) -> None:
        """Release the lock, which an exception in a ``with`` statement may leave to this thread."""
        while self._lock._is_owned():
            self._lock.release()

    def _disconnect(self) -> None:
        """Close this process's end of the socket; the server ends when no process has one."""
        fd = runtime.inherited_fds.pop(_FD_NAME, None)
        if fd is not None:
            try:
                os.close(fd)
            except OSError:
                log.debug("an exception has taken the socket to the fork server away")

    def _reap(self) -> bool:
        """Wait for the end of the server, if this process started it; return if it was killed."""
        if self._forkserver_pid is None:
            return False
        status = 0
        try:
            _, status = os.waitpid(self._forkserver_pid, 0)
        except ChildProcessError:
            log.debug("fork server was reaped by other code of this program")
        _core.reclaim_process(self._forkserver_pid)
        self._forkserver_pid = None
        return os.WIFSIGNALED(status)

    def _stop(self) -> None:
        """End the server, for tests."""
        with self._lock:
            self._disconnect()
            self._reap()

    def _end_at_exit(self) -> None:
        """Wait for the server's end, so that it is no zombie; not if others still need it."""
        with self._lock:
            self._disconnect()
            if self._forkserver_pid is None or not have_pidfd():
                return
            pidfd = os.pidfd_open(self._forkserver_pid)
            ended = wait_ended(pidfd, _EXIT_WAIT)
            os.close(pidfd)
            if ended:
                self._reap()


# -------------------------------------------------------------------------------- the server's side


def main(socket_fd: int, family_fd: int, preload_fd: int, token: int) -> None:
    """Be the fork server.

    Args:
        socket_fd: the server's end of the socket to its clients.
        family_fd: descriptor of the family's arena.
        preload_fd: descriptor of a pickle that says what to import.
        token: this process's slot in the arena.
    """
    for fd in (socket_fd, family_fd, preload_fd):
        os.set_inheritable(fd, False)
    _core.join_family(family_fd, token)
    with open(preload_fd, "rb", closefd=True) as file:
        modules, on_error, preparation = pickle.load(file)
    preload(modules, on_error, preparation)
    util._close_stdin()
    util._flush_std_streams()  # else each child would write out what the imports have printed
    with socket.socket(fileno=socket_fd) as sock:
        Server(sock).serve()


_forkserver = ForkServer()
runtime.stop_helper["fork server"] = _forkserver._stop
ensure_running = _forkserver.ensure_running
connect_to_new_process = _forkserver.connect_to_new_process
disconnect = _forkserver.disconnect
set_forkserver_preload = _forkserver.set_forkserver_preload
