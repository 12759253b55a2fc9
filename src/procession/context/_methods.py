"""The start methods, each a context and a class of processes, and the default one.

Idea: a class of processes differs from the others in one attribute, which says how the child is
started. The default class asks, at each start, which method is set.

Invariant: the method is fixed by its first use, or by `set_start_method` before that.

Layer: context.
"""

from __future__ import annotations

import sys

from .. import process
from ._base import BaseContext, _concrete_contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._launch.popen import BasePopen


class Process(process.BaseProcess):
    """A process started by the method that is set when it is started."""

    @staticmethod
    def _Popen(process_obj: Any) -> BasePopen:
        return _actual_process_class()._Popen(process_obj)

    @staticmethod
    def _after_fork() -> None:
        _actual_process_class()._after_fork()


def _actual_process_class() -> type[process.BaseProcess]:
    actual: Any = _default_context.get_context()
    kind: type[process.BaseProcess] = actual.Process
    return kind


class ForkProcess(process.BaseProcess):
    """A process that begins as a copy of its parent."""

    _start_method = "fork"
    _popen_class: type[BasePopen] | None = None  # kept: see `_import_bootstrap` of process

    @staticmethod
    def _Popen(process_obj: Any) -> BasePopen:
        if ForkProcess._popen_class is None:
            from ..popen_fork import Popen

            ForkProcess._popen_class = Popen
        return ForkProcess._popen_class(process_obj)


class SpawnProcess(process.BaseProcess):
    """A process that begins as a fresh interpreter."""

    _start_method = "spawn"

    @staticmethod
    def _Popen(process_obj: Any) -> BasePopen:
        from ..popen_spawn_posix import Popen

        return Popen(process_obj)

    @staticmethod
    def _after_fork() -> None:
        """Do nothing: there was no fork."""


class ForkServerProcess(process.BaseProcess):
    """A process that begins as a copy of a server that has only imported modules."""

    _start_method = "forkserver"

    @staticmethod
    def _Popen(process_obj: Any) -> BasePopen:
        from ..popen_forkserver import Popen

        return Popen(process_obj)


class ForkContext(BaseContext):
    """The context of start method ``fork``."""

    _name = "fork"
    Process = ForkProcess


class SpawnContext(BaseContext):
    """The context of start method ``spawn``."""

    _name = "spawn"
    Process = SpawnProcess


class ForkServerContext(BaseContext):
    """The context of start method ``forkserver``."""

    _name = "forkserver"
    Process = ForkServerProcess


_concrete_contexts.update(fork=ForkContext(), spawn=SpawnContext(), forkserver=ForkServerContext())


class DefaultContext(BaseContext):
    """The context behind the package's own functions: its method can be set once."""

    Process = Process

    def __init__(self, context: BaseContext):
        self._default_context = context
        self._actual_context: BaseContext | None = None

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context of *method*; None for the one that is set, which fixes it."""
        if method is not None:
            return super().get_context(method)
        if self._actual_context is None:
            self._actual_context = self._default_context
        return self._actual_context

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Set the start method, at most once unless *force*; None with *force* unsets it.

        Raises:
            RuntimeError: it has been set or used.
            ValueError: there is no such method here.
        """
        if self._actual_context is not None and not force:
            raise RuntimeError("context has already been set")
        if method is None and force:
            self._actual_context = None
            return
        self._actual_context = self.get_context(method)

    def get_start_method(self, allow_none: bool = False) -> str | None:
        """Return the start method that is set; None if none is yet and *allow_none*."""
        if self._actual_context is None and allow_none:
            return None
        return self.get_context()._name

    def get_all_start_methods(self) -> list[str]:
        """Return the start methods of this system, the default first."""
        default = self._default_context._name
        return [default, *(name for name in _concrete_contexts if name != default)]

    def _force_start_method(self, method: str) -> None:
        self._actual_context = _concrete_contexts[method]


# An unmodified program relies on the default method of its interpreter's standard package.
_DEFAULT_METHOD = "forkserver" if sys.version_info >= (3, 14) else "fork"

_default_context = DefaultContext(_concrete_contexts[_DEFAULT_METHOD])
_force_start_method = _default_context._force_start_method
