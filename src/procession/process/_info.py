"""What a process object tells: its name, its flags, how its process ended.

Idea: none of this changes a process. It is read from what the object was made with and from the
parent's object for the child (`_popen`).

Invariant: what concerns the running child (`_popen`, `_sentinel`) exists only in the process that
started it. A closed object still has its name, its flags and its repr; all else raises.

Layer: process; imports base.
"""

from __future__ import annotations

import os

from .._base import export, runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._launch.popen import BasePopen


def _check(condition: bool, message: str) -> None:
    """Raise AssertionError, as the contract says, unless *condition* holds; even under -O."""
    if not condition:
        raise AssertionError(message)


class AuthenticationString(bytes):
    """The key by which the processes of one family authenticate each other.

    A kind of bytes that is pickled for a child that is being started, and for no message: a key
    which is part of some object never travels over a network by accident.
    """

    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        from .._base import launch_state  # a fork does not pickle, and needs no launch's state

        if launch_state.spawning_popen() is None:
            raise TypeError(
                "Pickling an AuthenticationString object is disallowed for security reasons"
            )
        return AuthenticationString, (bytes(self),)


export("procession.process", AuthenticationString)


class ProcessInfo:
    """The part of a process object that is only read."""

    _name: str
    _config: dict[str, Any]
    _popen: BasePopen | None
    _sentinel: int
    _parent_pid: int | None
    _die_with_parent: bool | None
    _closed: bool

    def _check_closed(self) -> None:
        if self._closed:
            raise ValueError("process object is closed")

    @property
    def name(self) -> str:
        """A name for people; several processes may have the same."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        _check(isinstance(name, str), "name must be a string")
        self._name = name
        if self is runtime._current_process:
            from .. import _core  # rarely needed, and not cheap

            _core.set_process_name(name)  # others report it after this process's death

    @property
    def daemon(self) -> bool:
        """Whether the process is terminated when its parent exits; inherited from its creator."""
        return bool(self._config.get("daemon", False))

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        _check(self._popen is None, "process has already started")
        self._config["daemon"] = daemonic

    @property
    def die_with_parent(self) -> bool:
        """Whether the process is killed when its parent is gone, however the parent ended."""
        if self._die_with_parent is not None:
            return self._die_with_parent
        return self.daemon or bool(self._config.get("die_with_parent", False))

    @property
    def outlives_family(self) -> bool:
        """Whether the process goes on even if the first process of its family is killed."""
        return bool(self._config.get("outlives_family", False))

    @property
    def authkey(self) -> bytes:
        """The key by which the processes of one family authenticate each other."""
        key: bytes = self._config["authkey"]
        return key

    @authkey.setter
    def authkey(self, authkey: bytes) -> None:
        self._config["authkey"] = AuthenticationString(authkey)

    @property
    def exitcode(self) -> int | None:
        """The child's exit code, -N if signal N ended it; None while it has not ended."""
        self._check_closed()
        return None if self._popen is None else self._popen.poll()

    @property
    def ident(self) -> int | None:
        """The process id; None before the start."""
        self._check_closed()
        if self is runtime.current_process():
            return os.getpid()
        return None if self._popen is None else self._popen.pid

    pid = ident

    @property
    def sentinel(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        self._check_closed()
        try:
            return self._sentinel
        except AttributeError:
            raise ValueError("process not started") from None

    def __repr__(self) -> str:
        status, exitcode = self._status()
        info = [type(self).__name__, f"name={self._name!r}"]
        if self._popen is not None:
            info.append(f"pid={self._popen.pid}")
        info += [f"parent={self._parent_pid}", status]
        if exitcode is not None:
            info.append(f"exitcode={_name_of_exitcode(exitcode)}")
        if self.daemon:
            info.append("daemon")
        return f"<{' '.join(info)}>"

    def _status(self) -> tuple[str, int | None]:
        """Return a word for the state of the process, and its exit code if it has one."""
        if self is runtime.current_process():
            return "started", None
        if self._closed:
            return "closed", None
        if self._parent_pid != os.getpid():
            return "unknown", None
        if self._popen is None:
            return "initial", None
        exitcode = self._popen.poll()
        return ("started" if exitcode is None else "stopped"), exitcode


def _name_of_exitcode(exitcode: int) -> str:
    """Return ``-SIGTERM`` rather than -15."""
    if exitcode >= 0:
        return str(exitcode)
    from signal import Signals  # only for a repr

    names = {-number: f"-{number.name}" for number in Signals}
    return names.get(exitcode, str(exitcode))
