"""What lower layers ask of higher ones: each slot of `runtime` that the composition root fills.

Idea: a message may have to share a descriptor, a child may have to stand in for the standard
package; but the modules that do so lie above those that ask. They are imported by the first call.

Layer: context.
"""

from __future__ import annotations

from .._base import runtime

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
    """Fill the slots."""
    runtime.share_fd = _share_fd
    runtime.install = _install
