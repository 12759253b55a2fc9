"""Processes: the object that stands for one, here and in the child.

Layer: process; re-exports only.
"""

from __future__ import annotations

from .._base import export, runtime
from ._base import (
    BaseProcess,
    _children,
    _cleanup,
    _dangling,
    _MainProcess,
    _ParentProcess,
    active_children,
    current_process,
    parent_process,
)
from ._info import AuthenticationString

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "AuthenticationString",
    "BaseProcess",
    "_MainProcess",
    "_ParentProcess",
    "_children",
    "_cleanup",
    "_dangling",
    "active_children",
    "current_process",
    "parent_process",
]

export(__name__, BaseProcess, _MainProcess, _ParentProcess)
export(__name__, active_children, current_process, parent_process)


def __getattr__(name: str) -> Any:
    """Return the state of this module under the names that older programs know."""
    if name == "_current_process":
        return runtime._current_process
    if name == "_parent_process":
        return runtime._parent_process
    if name == "ORIGINAL_DIR":
        return runtime.original_dir
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
