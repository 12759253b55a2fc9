"""Contexts: the start methods, each with everything public made for it.

Idea: this is the composition root, the one package that knows all others.

Invariant: nothing but processes depends on the start method: locks, queues and all the rest made by
one context work in processes of any other.

Layer: context; re-exports only.
"""

from __future__ import annotations

from .._base.errors import AuthenticationError, BufferTooShort, ProcessError, TimeoutError  # noqa: A004
from .._base.export import export
from .._base.launch_state import assert_spawning, set_spawning_popen
from .._base.launch_state import spawning_popen as get_spawning_popen
from . import _hooks
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

_hooks.fill()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def __getattr__(name: str) -> Any:
    """Return `reduction`, which programs know under this name too; it is not cheap to import."""
    if name == "reduction":
        return _default_context.reducer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
