"""Contexts: the start methods, each with everything public made for it.

Idea: this is the composition root, the one package that knows all others.

Invariant: nothing but processes depends on the start method: locks, queues and all the rest made by
one context work in processes of any other.

Layer: context.
"""

from __future__ import annotations

from .. import process
from .._base import export, hooks
from .._base.errors import AuthenticationError, BufferTooShort, ProcessError, TimeoutError  # noqa: A004
from ._base import BaseContext, _concrete_contexts
from ._methods import (
    DefaultContext,
    ForkContext,
    ForkProcess,
    ForkServerContext,
    ForkServerProcess,
    Process,
    SpawnContext,
    SpawnProcess,
    _default_context,
    _force_start_method,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._base.launch_state import assert_spawning, set_spawning_popen
    from .._base.launch_state import spawning_popen as get_spawning_popen

__all__ = [
    "AuthenticationError",
    "BaseContext",
    "BufferTooShort",
    "DefaultContext",
    "ForkContext",
    "ForkProcess",
    "ForkServerContext",
    "ForkServerProcess",
    "Process",
    "ProcessError",
    "SpawnContext",
    "SpawnProcess",
    "TimeoutError",
    "_concrete_contexts",
    "_default_context",
    "_force_start_method",
    "assert_spawning",
    "get_spawning_popen",
    "set_spawning_popen",
]

export(__name__, BaseContext, DefaultContext, ForkContext, ForkServerContext, SpawnContext)
export(__name__, Process, ForkProcess, ForkServerProcess, SpawnProcess)


# Names of `launch_state`, which is imported when a program looks for one of them.
_OF_LAUNCHES = {
    "assert_spawning": "assert_spawning",
    "get_spawning_popen": "spawning_popen",
    "set_spawning_popen": "set_spawning_popen",
}


def __getattr__(name: str) -> Any:
    """Return what is rarely asked for and not cheap to import."""
    if name == "reduction":  # programs know the module under this name, too
        return _default_context.reducer
    if name in _OF_LAUNCHES:
        from .._base import launch_state

        value = globals()[name] = getattr(launch_state, _OF_LAUNCHES[name])
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ------------------------------------------------------------------------- hooks of lower layers


def _share_fd(fd: int) -> Any:
    from ..connection._fd_sharer import DupFd  # most programs never send a descriptor

    return DupFd(fd)


def _install() -> None:
    from .._patching.install import install  # only where it was called in the parent

    install()


# What lower layers ask of higher ones: see `hooks`.
hooks.default_context = _default_context
hooks.active_children = process.active_children
hooks.share_fd = _share_fd
hooks.install = _install
