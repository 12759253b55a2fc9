"""Shared memory that has a name, for programs of every kind.

Idea: the C library keeps such memory as files of one folder. So the segments here are files of that
folder, which every program finds. A segment is made without a name, given its size, registered with
the tracker and named last: other processes see it complete or not at all, and a process that is
killed meanwhile leaves nothing. It is made only if its bytes can be had now. A small one gets its
pages at once; a large one only if that is asked for, since programs make segments of which they use
a part.

Invariant: a process that attaches a segment never removes it, unless it was asked to
(``track=True``). The mapping exists as long as a view of it: ``close`` releases the reference of
this object, and the release of the last reference unmaps.

Layer: ipc; imports `resource_tracker`.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

from .. import _core, resource_tracker

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHM_NAME_PREFIX = "/psm_"
_FOLDER = resource_tracker.SHARED_MEMORY_FOLDER
_SMALL = 1 << 20  # a segment of so many bytes gets its pages at once


def _make_filename() -> str:
    """Return a fresh name; as short as the systems with the least room for names ask for."""
    return _SHM_NAME_PREFIX + os.urandom(4).hex()


class SharedMemory:
    """A segment of memory that processes find by its name.

    Args:
        name: the name for other programs; with *create*, None for a fresh one.
        create: whether to make the segment; else it must exist.
        size: bytes, at least 1 to create; ignored when a segment is attached.
        track: whether the segment is removed when the last process of this family ends, if it was
            not before. None: only if it was created here.
        commit: whether to give a new segment all its pages now. If not, pages come as they are
            written to; should memory be used up by then, the kernel ends the process that writes
            (SIGBUS, SIGKILL). None: only if it is small.
    Raises:
        FileExistsError: it was to be created, and exists.
        FileNotFoundError: it was to be attached, and does not exist.
        MemoryError: there is no room for *size* bytes.
        ValueError: there is no name, or no such size.
        OSError: that cannot be a name, or another user owns the segment.
    """

    _flags = os.O_RDWR
    _mode = 0o600
    _prepend_leading_slash = True

    _name: str
    _mmap: mmap.mmap | None = None
    _buf: memoryview | None = None

    def __init__(
        self,
        name: str | None = None,
        create: bool = False,
        size: int = 0,
        *,
        track: bool | None = None,
        commit: bool | None = None,
    ):
        if size < 0:
            raise ValueError(f"'size' must be a positive integer, not {size}")
        if create and size == 0:
            raise ValueError("'size' must be a positive number different from zero")
        if name is None and not create:
            raise ValueError("'name' can only be None if create=True")
        self._track = create if track is None else track
        if commit is None:
            commit = size <= _SMALL
        fd = self._create(name, size, commit) if create else self._attach(name or "")
        try:
            self._size = os.fstat(fd).st_size
            self._mmap = mmap.mmap(fd, self._size)
        except BaseException:
            if create:
                self.unlink()
            raise
        finally:
            os.close(fd)
        self._buf = memoryview(self._mmap)

    # ---------------------------------------------------------------------------------- attributes

    @property
    def buf(self) -> memoryview:
        """The bytes, writable; None once it is closed."""
        return self._buf  # type: ignore[return-value]  # callers need not ask before each access

    @property
    def name(self) -> str:
        """The name, as `SharedMemory` takes it."""
        if self._prepend_leading_slash:
            return self._name.removeprefix("/")
        return self._name

    @property
    def size(self) -> int:
        """The size, in bytes."""
        return self._size

    def as_array(self, shape: int | Sequence[int], dtype: Any = float) -> Any:
        """Return a numpy array over the segment's beginning; it keeps the mapping alive.

        Args:
            shape: the array's; its elements lie in C order.
            dtype: numpy's type of an element, or what numpy makes one of.
        Raises:
            ValueError: the segment is closed, or too small for that array.
            ImportError: numpy is not installed.
        """
        try:
            import numpy  # only here: the package does not need it
        except ImportError as error:
            raise ImportError("as_array() makes a numpy array: pip install numpy") from error

        if self._buf is None:
            raise ValueError(f"segment {self.name!r} is closed")
        element = numpy.dtype(dtype)
        needed = math.prod((shape,) if isinstance(shape, int) else shape) * element.itemsize
        if needed > self._size:
            raise ValueError(
                f"an array of shape {shape} and type {element} takes {needed:,} bytes; "
                f"segment {self.name!r} has {self._size:,}"
            )
        return numpy.ndarray(shape, element, buffer=self._buf)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, size={self.size})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, False, self.size)

    # ------------------------------------------------------------------ creation, attachment, close

    def close(self) -> None:
        """Release the memory in this object; arrays and views of it remain valid."""
        self._buf = self._mmap = None

    def unlink(self) -> None:
        """Remove the name; the memory is freed when no process has it any more.

        Raises:
            FileNotFoundError: it was removed before.
        """
        os.unlink(_path(self._name))
        resource_tracker.unregister(self._name, "shared_memory")

    def _attach(self, name: str) -> int:
        """Open the segment *name*; return its descriptor."""
        self._name = self._full(name)
        flags = self._flags | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(_path(self._name), flags, self._mode)
        if self._track:
            self._register(fd)
        return fd

    def _create(self, name: str | None, size: int, commit: bool) -> int:
        """Make a segment of *size* bytes; return its descriptor."""
        fd = _open_unnamed(self._mode)
        try:
            _check_room(size)
            if commit:
                _commit(fd, size)
            else:
                os.ftruncate(fd, size)
            if name is not None:
                self._name = self._full(name)
                self._publish(fd)
                return fd
            while True:
                self._name = _make_filename()
                try:
                    self._publish(fd)
                except FileExistsError:
                    continue
                return fd
        except BaseException:
            os.close(fd)
            raise

    def _publish(self, fd: int) -> None:
        """Give the file behind *fd* its name."""
        if self._track:
            self._register(fd)
        try:
            _link(fd, _path(self._name))
        except BaseException:
            if self._track:
                resource_tracker.unregister(self._name, "shared_memory")
            raise

    def _register(self, fd: int) -> None:
        status = os.fstat(fd)
        identity = status.st_dev, status.st_ino
        resource_tracker.register(self._name, "shared_memory", identity)

    def _full(self, name: str) -> str:
        return "/" + name if self._prepend_leading_slash else name


# ------------------------------------------------------------------------------ files of the folder


def _path(name: str) -> str:
    """Return the path of the segment *name*.

    Raises: OSError: that cannot be a name.
    """
    filename = name.lstrip("/")
    if filename in ("", ".", "..") or "/" in filename:
        raise OSError(errno.EINVAL, "not a name for shared memory: it must be that of a file", name)
    return f"{_FOLDER}/{filename}"


def _open_unnamed(mode: int) -> int:
    """Return the descriptor of a new file in the folder, empty and without a name."""
    return os.open(_FOLDER, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode)


def _check_room(size: int) -> None:
    """Look whether *size* bytes can be had now; the file system does not say so for a sparse file.

    Raises: MemoryError: they cannot.
    """
    folder = _free_bytes()
    if size > folder:
        raise _no_room(size, folder)
    if size > _SMALL and size > (memory := _core.memory_room()):
        raise MemoryError(
            f"no room for {size:,} bytes of shared memory: {memory:,} bytes are left of what this "
            "machine has, or this process's control group (a container's limit) allows"
        )


def _commit(fd: int, size: int) -> None:
    """Give the file its size and all its pages; a lack of memory would later be a SIGBUS."""
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _no_room(size, _free_bytes()) from error


def _free_bytes() -> int:
    room = os.statvfs(_FOLDER)
    if room.f_blocks == 0:  # a file system without a limit of its own
        return sys.maxsize
    return room.f_bavail * room.f_frsize


def _no_room(size: int, free: int) -> MemoryError:
    return MemoryError(
        f"no room for {size:,} bytes in {_FOLDER}, of which {free:,} are free (in a container, see "
        f"the option that sets the size of {_FOLDER})"
    )


def _link(fd: int, path: str) -> None:
    """Give the file behind *fd* the name *path*. Raises: FileExistsError."""
    # With a folder's descriptor the call is linkat(2), which can follow the link of /proc.
    folder = os.open(_FOLDER, os.O_PATH | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
    finally:
        os.close(folder)
