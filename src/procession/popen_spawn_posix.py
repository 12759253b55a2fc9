"""Starting a child as a fresh interpreter.

Idea: posix_spawn, which on Linux neither copies the parent's page tables nor runs any code of the
parent in the child. All that the child needs is in a memory file, so the start never waits.

Invariant: of the parent's descriptors the child inherits those passed here and the three standard
ones. A start that fails leaves nothing behind: no slot, no descriptor.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import os

from . import spawn, util
from ._base import runtime
from ._launch import family_file, parent_death, start_data
from ._launch.popen import BasePopen
from ._launch.sentinel import Sentinel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .process import BaseProcess

__all__ = ["Popen"]


class _DupFd:
    """A descriptor that the child inherits under the same number."""

    def __init__(self, fd: int):
        self.fd = fd

    def detach(self) -> int:
        """Return the descriptor, which the caller owns from now on."""
        return self.fd


class Popen(BasePopen):
    """The parent's object for a spawned child."""

    method = "spawn"
    DupFd = _DupFd

    def __init__(self, process_obj: BaseProcess):
        self._fds: list[int] = []
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        """Have the child inherit *fd*, which the caller keeps open until the start is over."""
        self._fds.append(fd)
        return fd

    def _launch(self, process_obj: BaseProcess) -> None:
        token = self._start.reserve()
        preparation = spawn.get_preparation_data(process_obj.name)
        data = start_data.build(process_obj, preparation, self, token)
        self._spawn(data, token, process_obj.die_with_parent)

    def _spawn(self, data: bytes, token: int, die_with_parent: bool) -> None:
        """Start the interpreter, which reads *data* and has slot *token*."""
        sentinel = Sentinel()
        start_fd = start_data.in_memory_file(data)
        fds = {
            "start_fd": start_fd,
            "family_fd": family_file.descriptor(),
            "parent_pipe": parent_death.pipe_fd(),
            "sentinel": sentinel.fd_for_child,
        }
        passed = {fd for fd in fds.values() if fd is not None}
        passed.update(self._fds, runtime.inherited_fds.values())
        command = spawn.get_command_line(**fds, token=token, die_with_parent=int(die_with_parent))
        try:
            self.pid = util.spawnv_passfds(
                spawn.executable(), command, passed, launch=self._start.launch
            )
        except BaseException:
            sentinel.abandon()
            raise
        finally:
            os.close(start_fd)
        self._open_sentinel(sentinel)
