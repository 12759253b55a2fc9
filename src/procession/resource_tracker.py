"""Removing the names that a killed family leaves in the file system.

Idea: a separate process, the tracker, is told of every name that is made or removed, through a pipe
whose write end each process of the family has. When the last of them has ended, in whatever way,
the kernel closes the pipe, and the tracker removes the names that are left.

Invariant: a name is removed only while it still belongs to the same file: another program may have
reused it. The tracker outlives the family only for the time that this takes.

A process that was started before the family had a tracker starts one of its own when it needs one.
That tracker also waits for the end of the parent of the process, to which names may be passed.

Layer: ipc; imports the base layer. `signal` and `_base.poll` on first use.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock

from . import util
from ._base import log, runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    _Identity = tuple[int, int] | None  # device and inode; None where that is not known
    _Key = tuple[str, str]  # kind of resource, name

__all__ = ["ensure_running", "register", "unregister"]

_FD_NAME = "resource_tracker"

SHARED_MEMORY_FOLDER = "/dev/shm"
"""Where the C library keeps shared memory that has a name."""

LONGEST_MESSAGE = 4096
"""Bytes that a write to a pipe never splits (PIPE_BUF)."""


def _no_cleanup(name: str) -> None:
    """For kinds that only tests use."""


def _path_of_shared_memory(name: str) -> str:
    return f"{SHARED_MEMORY_FOLDER}/{name.lstrip('/')}"


def _path_of_semaphore(name: str) -> str:
    return f"{SHARED_MEMORY_FOLDER}/sem.{name.lstrip('/')}"


def _path_itself(name: str) -> str:
    return name


def _remove_folder(name: str) -> None:
    import shutil  # not cheap, and rarely needed

    shutil.rmtree(name)


# Kind of resource -> the path of what has the name.
_PATHS: dict[str, Callable[[str], str]] = {
    "shared_memory": _path_of_shared_memory,
    "semaphore": _path_of_semaphore,
    "socket": _path_itself,
    "announced_socket": _path_itself,
    "folder": _path_itself,
}

# Kind of resource -> what removes a name. Libraries add kinds of their own.
_CLEANUP_FUNCS: dict[str, Callable[[str], object]] = {
    "noop": _no_cleanup,
    "dummy": _no_cleanup,
    "shared_memory": lambda name: os.unlink(_path_of_shared_memory(name)),
    "semaphore": lambda name: os.unlink(_path_of_semaphore(name)),
    "socket": os.unlink,
    "announced_socket": os.unlink,  # the family was killed while it was made
    "folder": _remove_folder,
}


# -------------------------------------------------------------------------------- the family's side


class ResourceTracker:
    """The tracker of the family, as a process of the family uses it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._starting = False
        self._pid: int | None = None  # of the process that started it only
        self._exitcode: int | None = None
        self._own: dict[_Key, _Identity] = {}  # the names to be told to a new tracker
        os.register_at_fork(after_in_child=self._after_fork_in_child)

    def _after_fork_in_child(self) -> None:
        self._lock = RLock()
        self._starting = False
        self._pid = None
        self._own = {}

    @property
    def _fd(self) -> int | None:
        """The write end of the pipe; None if there is no tracker yet."""
        return runtime.inherited_fds.get(_FD_NAME)

    def getfd(self) -> int:
        """Start the tracker if there is none, and return the write end of its pipe."""
        self.ensure_running()
        return runtime.inherited_fds[_FD_NAME]

    def ensure_running(self) -> None:
        """Start the tracker unless the family has one."""
        with self._lock:
            if self._fd is None or not self._check_alive():
                self._start()

    def register(self, name: str, rtype: str, identity: _Identity = None) -> None:
        """Have *name* removed at the end of the family, unless it is unregistered before.

        Args:
            rtype: the kind of resource: 'shared_memory', 'semaphore', 'socket', 'folder', or a kind
                that a library has added.
            identity: device and inode of the file; no other file of that name will be removed.
        Raises:
            ValueError: the name is too long.
        """
        message = _message("REGISTER", name, rtype, identity)
        with self._lock:
            if self._fd is None or not self._write(message):
                self._start()
                self._write(message)
            self._own[rtype, name] = identity

    def unregister(self, name: str, rtype: str) -> None:
        """Forget *name*; nothing happens if it was not registered."""
        message = _message("UNREGISTER", name, rtype, None)
        with self._lock:
            self._own.pop((rtype, name), None)
            if self._fd is not None:  # else there is no tracker that could know the name
                self._write(message)

    def _check_alive(self) -> bool:
        return self._write(_message("PROBE", "0", "noop", None))

    def _write(self, message: bytes) -> bool:
        """Write *message* to the pipe; return whether the tracker still runs."""
        try:
            os.write(runtime.inherited_fds[_FD_NAME], message)
        except BrokenPipeError:
            return False
        return True

    # --------------------------------------------------------------------- the tracker's start, end

    def _start(self) -> None:
        """Start a tracker, with the lock held, and tell it the names of this process."""
        if self._starting:  # a finalizer that the garbage collector runs in the middle of a start
            raise RuntimeError("the resource tracker is needed while it is being started")
        self._starting = True
        try:
            if self._fd is not None:
                self._forget()
                log.sub_warning("the resource tracker has died; it is started anew")
            reader, writer = os.pipe()
            try:
                self._pid = _launch(reader)
            except BaseException:
                os.close(writer)
                raise
            finally:
                os.close(reader)
            runtime.inherited_fds[_FD_NAME] = writer
            for (rtype, name), identity in self._own.items():
                self._write(_message("REGISTER", name, rtype, identity))
        finally:
            self._starting = False

    def _forget(self) -> None:
        """Close the pipe of the tracker, which ends with the last write end, and reap it."""
        os.close(runtime.inherited_fds.pop(_FD_NAME))
        pid, self._pid = self._pid, None
        if pid is not None:
            try:
                self._exitcode = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            except ChildProcessError:
                log.debug("the resource tracker was reaped by other code of this program")

    def _stop(self) -> None:
        """End the tracker, for tests."""
        with self._lock:
            if self._fd is not None:
                self._forget()
            elif self._exitcode is None:
                self._exitcode = 0  # there was no tracker, so no name can have been left
            self._own.clear()


def _launch(reader: int) -> int:
    """Start a tracker that reads from *reader*; return its process id."""
    import signal  # not cheap

    parent = runtime.parent_process()
    sentinel = -1 if parent is None else parent.sentinel
    passed = [fd for fd in (reader, sentinel) if fd >= 0]
    code = f"from {__name__} import main; main({reader}, {sentinel})"
    exe = _interpreter()
    # Signals must not reach the tracker before it ignores them; it inherits the mask.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ignored_signals())
    try:
        return util.spawnv_passfds(
            exe, [exe, *util._args_from_interpreter_flags(), "-c", code], passed
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interpreter() -> str | bytes:
    """Return the interpreter for children, which the program may have set."""
    return runtime.executable or sys.executable


def _ignored_signals() -> tuple[int, ...]:
    import signal

    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def _message(verb: str, name: str, rtype: str, identity: _Identity) -> bytes:
    """Return a line for the pipe. The name is in hexadecimal, as it may contain any character."""
    device, inode = identity or (0, 0)
    line = f"{verb} {rtype} {os.fsencode(name).hex()} {device} {inode}\n".encode()
    if len(line) > LONGEST_MESSAGE:
        raise ValueError(f"the name of a resource is too long: {len(name):,} characters")
    return line


_resource_tracker = ResourceTracker()
runtime.stop_helper["resource tracker"] = _resource_tracker._stop
ensure_running = _resource_tracker.ensure_running
register = _resource_tracker.register
unregister = _resource_tracker.unregister
getfd = _resource_tracker.getfd


# ------------------------------------------------------------------------------- the tracker's side


def main(fd: int, parent_sentinel: int = -1) -> None:
    """Run the tracker, and exit: 0, or 1 if a name had to be removed, 2 if that failed.

    Args:
        fd: the pipe's read end.
        parent_sentinel: sentinel of a parent process that may use the names too; -1 if there is
            none.
    """
    import signal

    for number in _ignored_signals():
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ignored_signals())
    os.set_inheritable(fd, False)
    _release_standard_streams()
    with open(fd, "rb") as pipe:
        left = _listen(pipe)
    if left and parent_sentinel >= 0:
        from ._base.poll import wait_hung_up  # few trackers have a parent to wait for

        wait_hung_up(parent_sentinel)
    sys.exit(_clean_up(left))


def _release_standard_streams() -> None:
    """Close pipes whose readers wait for their end; the error stream is kept for warnings."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


def _listen(pipe: IO[bytes]) -> dict[_Key, _Identity]:
    """Read until the family has ended; return what is registered then."""
    registered: dict[_Key, _Identity] = {}
    for line in pipe:
        verb, rtype, name_in_hex, device, inode = line.decode().split(" ")
        key = rtype, os.fsdecode(bytes.fromhex(name_in_hex))
        if verb == "REGISTER":
            registered[key] = (int(device), int(inode)) if int(inode) else None
        elif verb == "UNREGISTER":
            registered.pop(key, None)
    return registered


def _clean_up(registered: dict[_Key, _Identity]) -> int:
    """Remove what still exists, and warn of it; return the exit code."""
    left: dict[str, list[str]] = {}
    for (rtype, name), identity in registered.items():
        if _still_exists(rtype, name, identity):
            left.setdefault(rtype, []).append(name)
    code = 0
    for rtype, names in left.items():
        if rtype != "dummy":
            _warn(
                f"There appear to be {len(names)} leaked {rtype} objects "
                f"to clean up at shutdown: {set(names)}"
            )
        code = max(code, 1)
        for name in names:
            code = max(code, _remove(rtype, name))
    return code


def _still_exists(rtype: str, name: str, identity: _Identity) -> bool:
    """Return whether *name* still names the same file; True for kinds of libraries."""
    if rtype not in _PATHS:
        return True
    try:
        status = os.stat(_PATHS[rtype](name), follow_symlinks=False)
    except OSError:
        return False
    return identity is None or identity == (status.st_dev, status.st_ino)


def _remove(rtype: str, name: str) -> int:
    try:
        _CLEANUP_FUNCS[rtype](name)
    except Exception as error:  # noqa: BLE001 - a library's function; the others are still to be done
        _warn(f"{name!r}: {type(error).__name__}: {error}")
        return 2
    return 0


def _warn(message: str) -> None:
    import warnings

    warnings.warn(f"resource_tracker: {message}", stacklevel=2)
