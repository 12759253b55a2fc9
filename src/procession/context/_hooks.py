"""Fills the slots of `_base.hooks`, by which lower layers call higher ones.

Idea: a message may have to share a descriptor, and a child may have to put the package in the place
of the standard one. The modules that do so are not cheap to import, so each slot gets a function
that imports its module at the first call.

Layer: context.
"""

from __future__ import annotations

from .. import process
from .._base import hooks
from ._methods import _default_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _share_fd(fd: int) -> Any:
    from ..connection._fd_sharer import DupFd  # most programs never send a descriptor

    return DupFd(fd)


def _install() -> None:
    from .._patching.install import install

    install()


def fill() -> None:
    """Fill the slots; the package does so when it is imported."""
    hooks.default_context = _default_context
    hooks.active_children = process.active_children
    hooks.share_fd = _share_fd
    hooks.install = _install
