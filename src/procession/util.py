"""Small helpers that programs and libraries know under this module's name.

Idea: the public face of the base layer. The log and the finalizers have modules of their own and
are only exported here. What is defined here concerns descriptors, interpreter options, streams,
folders and thread-local state.

Invariant: a temporary folder belongs to the process that asked for it first, and is removed when
that process exits.

Layer: base.
"""

from __future__ import annotations

import itertools
import os
import sys
from _thread import _local, allocate_lock

from ._base import hooks, log, runtime
from ._base.finalize import (
    Finalize,
    _afterfork_registry,
    _exit_function,
    _finalizer_counter,
    _finalizer_registry,
    _run_after_forkers,
    _run_finalizers,
    is_exiting,
    register_after_fork,
)
from ._base.log import (
    DEBUG,
    DEFAULT_LOGGING_FORMAT,
    INFO,
    LOGGER_NAME,
    NOTSET,
    SUBDEBUG,
    SUBWARNING,
    debug,
    get_logger,
    info,
    log_to_stderr,
    sub_debug,
    sub_warning,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TextIO

__all__ = [
    "DEBUG",
    "DEFAULT_LOGGING_FORMAT",
    "INFO",
    "LOGGER_NAME",
    "MAXFD",
    "NOTSET",
    "SUBDEBUG",
    "SUBWARNING",
    "Finalize",
    "ForkAwareLocal",
    "ForkAwareThreadLock",
    "_afterfork_registry",
    "_exit_function",
    "_finalizer_counter",
    "_finalizer_registry",
    "_run_after_forkers",
    "_run_finalizers",
    "abstract_sockets_supported",
    "close_all_fds_except",
    "close_fds",
    "debug",
    "get_logger",
    "get_temp_dir",
    "info",
    "is_abstract_socket_namespace",
    "is_exiting",
    "log_to_stderr",
    "register_after_fork",
    "spawnv_passfds",
    "sub_debug",
    "sub_warning",
]


def __getattr__(name: str) -> Any:
    """Return the state of the log under the names that older programs know."""
    if name == "_logger":
        return log.logger
    if name == "_log_to_stderr":
        return log.to_stderr
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# --------------------------------------------------------------------------------- abstract sockets

abstract_sockets_supported = sys.platform in ("linux", "android")


def is_abstract_socket_namespace(address: str | bytes | None) -> bool:
    """Return whether *address* names a socket in the abstract namespace: it begins with a NUL."""
    if not address:
        return False
    if isinstance(address, bytes):
        return address[0] == 0
    if isinstance(address, str):
        return address[0] == "\0"
    raise TypeError(f"address type of {address!r} unrecognized")


# --------------------------------------------------------------------------------- temporary folder


# Bytes of the path of a folder for sockets: the path of a socket has 108 bytes at most.
_MAX_TEMP_DIR_BYTES = 80


def get_temp_dir(
    announce: Callable[[str], object] | None = None, forget: Callable[[str], object] | None = None
) -> str:
    """Return a private folder for temporary files, which is removed when this process exits.

    Args:
        announce: called with the name before the folder is made; the name is random, so no other
            process uses it.
        forget: called with the name when the folder has been removed.
    """
    config = runtime.current_process()._config
    folder: str | None = config.get("tempdir")
    if folder is None:
        import tempfile  # on first use: costs as much as all the rest at start-up

        name = f"pymp-{os.urandom(6).hex()}"
        folder = os.path.join(tempfile.gettempdir(), name)
        if len(os.fsencode(folder)) > _MAX_TEMP_DIR_BYTES:
            folder = os.path.join("/tmp", name)
        if announce is not None:
            announce(folder)
        os.mkdir(folder, 0o700)
        config["tempdir"] = folder
        info("created temp directory %s", folder)
        Finalize(None, _remove_temp_dir, args=(folder, forget), exitpriority=-100)
    return folder


def _remove_temp_dir(folder: str, forget: Callable[[str], object] | None) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    runtime.current_process()._config["tempdir"] = None
    if forget is not None:
        forget(folder)


# ----------------------------------------------------------------------------- types aware of forks


class ForkAwareThreadLock:
    """A lock between threads that is free in a forked child, even if it was held in the parent."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self.acquire = self._lock.acquire
        self.release = self._lock.release
        register_after_fork(self, ForkAwareThreadLock._at_fork_reinit)

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()  # type: ignore[attr-defined]

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *args: Any) -> None:
        self._lock.release()


class ForkAwareLocal(_local):
    """Thread-local data that are empty in a forked child."""

    def __init__(self) -> None:
        register_after_fork(self, lambda local: local.__dict__.clear())

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


# -------------------------------------------------------------------------------------- descriptors

try:
    MAXFD = os.sysconf("SC_OPEN_MAX")
except (OSError, ValueError):
    MAXFD = 256


def close_fds(*fds: int) -> None:
    """Close each of the descriptors."""
    for fd in fds:
        os.close(fd)


def close_all_fds_except(fds: Iterable[int]) -> None:
    """Close every descriptor of this process but *fds*."""
    borders = [-1, *sorted(fds), MAXFD]
    if borders[-2] >= MAXFD:
        raise AssertionError("fd too large")
    for below, above in itertools.pairwise(borders):
        os.closerange(below + 1, above)


def spawnv_passfds(
    path: str | bytes,
    args: Sequence[str | bytes],
    passfds: Iterable[int],
    *,
    launch: Callable[..., int] | None = None,
) -> int:
    """Start the program *path* with *args*; from descriptor 3 on it inherits *passfds* only.

    Args:
        launch: calls the function that it is given with the other arguments; `_core.ProcessStart`
            has such a method, which notes the child.

    Returns:
        The process id of the new child.
    """
    import resource  # saves start-up time of processes that start none

    wanted = set(passfds)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # Opened before the limit was lowered. posix_spawn refuses actions about them, so for this
    # moment a program that another thread starts inherits them, too.
    beyond = [fd for fd in wanted if limit != resource.RLIM_INFINITY and fd >= limit]
    actions = _pass_only(wanted, limit if limit != resource.RLIM_INFINITY else sys.maxsize)
    try:
        for fd in beyond:
            os.set_inheritable(fd, True)
        if launch is None:
            return os.posix_spawn(path, list(args), os.environ, file_actions=actions)
        return launch(os.posix_spawn, path, list(args), os.environ, file_actions=actions)
    finally:
        for fd in beyond:
            os.set_inheritable(fd, False)


def _pass_only(wanted: set[int], limit: int) -> list[tuple[Any, ...]]:
    """Return file actions for posix_spawn, after which only *wanted* are open in the child.

    A descriptor that is duplicated to itself loses its close-on-exec flag, in the child alone.
    Descriptors without the flag, which other code has opened, have to be closed one by one; what is
    not below *limit* cannot be.
    """
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_DUP2, fd, fd) for fd in sorted(wanted) if fd < limit
    ]
    for fd in _inheritable_fds() - wanted:
        if fd < limit:
            actions.append((os.POSIX_SPAWN_CLOSE, fd))
    return actions


def _inheritable_fds() -> set[int]:
    """Return the open descriptors, less the standard ones, that an exec would not close."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:  # no /proc here
        names = [str(fd) for fd in range(3, min(MAXFD, 4096))]
    found = set()
    for fd in map(int, names):
        if fd > 2:
            try:
                if os.get_inheritable(fd):
                    found.add(fd)
            except OSError:  # closed meanwhile: the listing's own descriptor is
                continue
    return found


# Attributes of sys.flags and the option letter that sets each; a level repeats the letter.
_FLAG_LETTERS = {
    "debug": "d",
    "optimize": "O",
    "dont_write_bytecode": "B",
    "no_site": "S",
    "verbose": "v",
    "bytes_warning": "b",
    "quiet": "q",
}
# The same, but included in -I.
_ISOLATION_LETTERS = {"ignore_environment": "E", "no_user_site": "s", "safe_path": "P"}


def _args_from_interpreter_flags() -> list[str]:
    """Return the command line options that make another interpreter behave like this one."""
    letters = dict(_FLAG_LETTERS)
    letters |= {"isolated": "I"} if sys.flags.isolated else _ISOLATION_LETTERS
    levels = ((letter, int(getattr(sys.flags, flag, 0))) for flag, letter in letters.items())
    options = ["-" + letter * level for letter, level in levels if level > 0]
    options += [f"-W{warning}" for warning in _own_warning_options()]
    for name, value in sys._xoptions.items():
        options += ["-X", name if value is True else f"{name}={value}"]
    return options


def _own_warning_options() -> list[str]:
    """Return the options given with -W.

    Those that -b and -X dev have added are left out: these options are passed on, and add them
    again in the child.
    """
    options = list(sys.warnoptions)
    implied = {1: ["default::BytesWarning"], 2: ["error::BytesWarning"]}
    added = list(implied.get(min(sys.flags.bytes_warning, 2), []))
    added += ["default"] if sys.flags.dev_mode else []
    for option in added:
        if option in options:
            options.remove(option)
    return options


# ------------------------------------------------------------------------------------------ streams


_empty_stdin: TextIO | None = None
_null = -1  # its descriptor; a program may close it, as one does that becomes a daemon


def _prepare_stdin() -> None:
    """Open the standard input for children, before the fork.

    Opening a stream costs more than all else that a forked child does before it runs its target.
    """
    global _empty_stdin, _null
    _empty_stdin = None
    try:
        _null = os.open(os.devnull, os.O_RDONLY)
    except OSError:  # no descriptor, no /dev
        _null = -1
        return
    _empty_stdin = open(_null, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open


def _close_stdin() -> None:
    """Give this process an empty standard input: the terminal belongs to the main process."""
    if sys.stdin is None or sys.stdin is _empty_stdin:
        return
    try:
        sys.stdin.close()
    except (OSError, ValueError):  # a stream of the program's own; it is replaced in any case
        pass
    if _empty_stdin is None:
        _prepare_stdin()
    if _empty_stdin is not None:  # else the closed one stays
        sys.stdin = _empty_stdin


def _flush_std_streams() -> None:
    """Write out what the standard streams still buffer; streams may be missing or closed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            continue


# -------------------------------------------------------------------------------------------- tests


def _cleanup_tests() -> None:
    """End all helper processes; CPython's own test suite calls this."""
    for helper in ("fork server", "resource tracker"):  # in this order: the server uses the tracker
        if helper in runtime.stop_helper:
            runtime.stop_helper[helper]()
    hooks.active_children()  # reaps those that have ended
    _run_finalizers()
    from test import support  # type: ignore[import-not-found]  # not in every interpreter

    support.gc_collect()
    support.reap_children()
