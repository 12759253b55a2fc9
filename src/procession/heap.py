"""Buffers in shared memory, under the names that libraries know from the standard package.

Idea: a buffer is a block of the family's arena, which does all that a heap has to do: size classes,
reuse, and reclaiming what killed processes held. So this module only provides the names.

Invariant: a buffer is freed when no process has it, or a memory view of it, any more.

Layer: ipc.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any

from . import _core
from ._base.finalize import Finalize
from ._pickling import core_hooks
from ._pickling.fd_reduce import DupFd

__all__ = ["BufferWrapper"]

core_hooks.give()


class BufferWrapper:
    """*size* bytes of zeroed memory that can be sent to any process of the family.

    Raises:
        ValueError: the size is negative.
        OverflowError: no memory can be so large.
    """

    __slots__ = ("__weakref__", "_block", "_size")

    _heap: Any = None  # programs set it to begin a new heap; it has no effect

    def __init__(self, size: int):
        if size < 0:
            raise ValueError(f"Size {size:n} out of range")
        if size >= sys.maxsize:
            raise OverflowError(f"Size {size:n} too large")
        self._block = _core.Block(size)
        self._size = size

    def create_memoryview(self) -> memoryview:
        """Return a writable view of the bytes; it keeps them alive."""
        return memoryview(self._block)[: self._size]

    @property
    def _state(self) -> tuple[tuple[Arena, int, int], int]:
        """((arena, start, stop), size in bytes), as in the standard package."""
        return (Arena._around(self), 0, self._size), self._size

    def __deepcopy__(self, memo: object) -> BufferWrapper:
        copy = BufferWrapper(self._size)
        copy.create_memoryview()[:] = self.create_memoryview()
        return copy

    def __getstate__(self) -> tuple[_core.Block, int]:
        return self._block, self._size

    def __setstate__(self, state: tuple[_core.Block, int]) -> None:
        self._block, self._size = state


class Heap:
    """An allocator of blocks, for programs that make one of their own.

    Args:
        size: not used; the arena grows by itself.
    """

    _alignment = 8

    def __init__(self, size: int = mmap.PAGESIZE):
        self._size = size

    def malloc(self, size: int) -> tuple[Arena, int, int]:
        """Return an arena, and start and stop of *size* bytes in its buffer."""
        wrapper = BufferWrapper(max(size, 1))
        return Arena._around(wrapper), 0, size

    def free(self, block: tuple[Arena, int, int]) -> None:
        """Release what `malloc` returned."""
        block[0]._wrapper = None
        block[0].buffer = memoryview(b"")


class Arena:
    """A file of shared memory without a name, mapped; or the one behind the descriptor *fd*.

    Attributes:
        size: bytes.
        fd: its descriptor, closed with the object; -1 for a part of the family's own arena.
        buffer: the mapping.
    """

    def __init__(self, size: int, fd: int = -1):
        self.size = size
        self._wrapper: BufferWrapper | None = None
        if fd == -1:
            fd = os.memfd_create("procession-heap", os.MFD_CLOEXEC)
            os.ftruncate(fd, size)
        self.fd = fd
        self.buffer: mmap.mmap | memoryview = mmap.mmap(fd, size)
        Finalize(self, os.close, (fd,))

    @classmethod
    def _around(cls, wrapper: BufferWrapper) -> Arena:
        arena = cls.__new__(cls)
        arena.size, arena.fd, arena._wrapper = wrapper._size, -1, wrapper
        arena.buffer = wrapper.create_memoryview()
        return arena

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return reduce_arena(self)


def reduce_arena(arena: Arena) -> tuple[object, tuple[object, ...]]:
    """Return what a pickle of *arena* holds."""
    if arena._wrapper is not None:
        return Arena._around, (arena._wrapper,)
    return rebuild_arena, (arena.size, DupFd(arena.fd))


def rebuild_arena(size: int, dupfd: Any) -> Arena:
    """Map the memory behind the descriptor that *dupfd* stands for."""
    return Arena(size, dupfd.detach())
