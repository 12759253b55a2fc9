"""Sending descriptors to processes that are not being launched.

Idea: this module is the public face of `connection._fd_sharer`, under the standard name.

Layer: ipc; re-exports only.
"""

from .connection._fd_sharer import DupFd, _resource_sharer, stop

__all__ = ["DupFd", "_resource_sharer", "stop"]
