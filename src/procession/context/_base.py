"""A context without its start method: what all contexts have.

Idea: a context is a name space with everything public for one start method. Contexts differ in the
method's name and in the class of their processes, which `_methods` defines.

Invariant: a context of one method never changes; only the default one can be set to another.

Layer: context.
"""

from __future__ import annotations

import os
import sys

from .. import process
from .._base import errors
from ._factories import Factories

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any, Literal

# Start method -> its context; filled by `_methods`.
_concrete_contexts: dict[str, BaseContext] = {}


class BaseContext(Factories):
    """Everything public, for one start method."""

    _name: str

    ProcessError = errors.ProcessError
    BufferTooShort = errors.BufferTooShort
    TimeoutError = errors.TimeoutError
    AuthenticationError = errors.AuthenticationError
    BrokenLockError = errors.BrokenLockError
    WorkerLostError = errors.WorkerLostError
    ProcessLostError = errors.ProcessLostError

    current_process = staticmethod(process.current_process)
    parent_process = staticmethod(process.parent_process)
    active_children = staticmethod(process.active_children)

    def cpu_count(self) -> int:
        """Return the number of processors of the machine.

        This process may be allowed to use fewer: a pool that is given no number of workers has as
        many as that.
        """
        count = os.cpu_count()
        if count is None:
            raise NotImplementedError("cannot determine number of cpus")
        return count

    def freeze_support(self) -> None:
        """In a frozen program that was started as a child: be that child, then exit."""
        if getattr(sys, "frozen", False):
            from ..spawn import freeze_support

            freeze_support()

    def get_logger(self) -> logging.Logger:
        """Return the package's logger."""
        from ..util import get_logger

        return get_logger()

    def log_to_stderr(self, level: int | str | None = None) -> logging.Logger:
        """Return the package's logger after giving it a handler that writes to stderr."""
        from ..util import log_to_stderr

        return log_to_stderr(level)

    def allow_connection_pickling(self) -> None:
        """Make connections and sockets picklable, which importing their module does."""
        from .. import connection  # noqa: F401

    def set_executable(self, executable: str | bytes | os.PathLike[str]) -> None:
        """Set the interpreter that children are started with, for programs that embed Python."""
        from ..spawn import set_executable

        set_executable(executable)

    def set_forkserver_preload(
        self,
        module_names: list[str],
        *,
        on_error: Literal["ignore", "warn", "fail"] = "ignore",
    ) -> None:
        """Set the modules the fork server imports before it forks.

        Args:
            on_error: what to do with a module that cannot be imported: nothing, warn, or end
                the server, so that starts fail.
        """
        from ..forkserver import set_forkserver_preload

        set_forkserver_preload(module_names, on_error=on_error)

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context of *method*; None for this one.

        Raises:
            ValueError: there is no such start method here.
        """
        if method is None:
            return self
        try:
            return _concrete_contexts[method]
        except KeyError:
            raise ValueError(f"cannot find context for {method!r}") from None

    def get_start_method(self, allow_none: bool = False) -> str | None:
        """Return the name of the start method."""
        return self._name

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Raise ValueError: a context of one method keeps it."""
        raise ValueError("cannot set start method of concrete context")

    @property
    def reducer(self) -> Any:
        """The module, or an object like it, by which objects are pickled for a child."""
        from .._pickling import settings  # rarely used, and every child would import it

        if settings.reducer is None:
            from .. import reduction

            return reduction
        return settings.reducer

    @reducer.setter
    def reducer(self, reduction: Any) -> None:
        from .._pickling import settings

        own = reduction is sys.modules.get("procession.reduction")
        settings.reducer = None if own else reduction
