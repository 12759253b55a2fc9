"""The data that a fresh interpreter, or the fork server, makes a child from.

Idea: two pickles, one after the other. The first, the preparation data, makes the interpreter like
its parent (paths, arguments, main module); only then can the second, the process object, be
unpickled. They are sent in a memory file: writing to it never waits for the child, as writing to a
pipe would, so a start cannot hang because of a child that died early.

Invariant: what the process object refers to in the shared arena is held for the child until the
child has its own references, or the start has failed.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import errno
import fcntl
import os

from .. import _core
from .._base import launch_state
from .._pickling import by_value, diagnose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..process import BaseProcess


def build(process_obj: BaseProcess, preparation: dict[str, Any], popen: Any, token: int) -> bytes:
    """Pickle everything for the child that has slot *token*.

    Raises:
        pickle.PicklingError, AttributeError, TypeError: something cannot be pickled; the message
            says what and where.
    """
    with launch_state.spawning(popen):
        start = by_value.dumps_by_name(preparation)
        with launch_state.collecting() as handles:
            try:
                process = by_value.dumps(process_obj)
            except diagnose.REFUSALS as refusal:
                raise diagnose.explained(refusal, _parts(process_obj), by_value.dumps) from refusal
    for handle in handles:
        _core.give_reference(token, handle)
    return start + process


def _parts(process_obj: BaseProcess) -> dict[str, Any]:
    """The parts of *process_obj*, by the names under which a program knows them."""
    attributes = dict(vars(process_obj))
    given = {name: attributes.pop(f"_{name}", None) for name in ("target", "args", "kwargs")}
    return given | {f"self.{name}": value for name, value in attributes.items()}


def in_memory_file(data: bytes) -> int:
    """Return a descriptor, closed on exec, from which *data* can be read."""
    fd = os.memfd_create("procession-start", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError as error:
        os.close(fd)
        if error.errno == errno.EFBIG:
            return _under_a_limit(data)
        raise
    except BaseException:
        os.close(fd)
        raise
    return fd


def _under_a_limit(data: bytes) -> int:
    """Return such a descriptor where RLIMIT_FSIZE forbids to write to a file of that size."""
    try:
        return _core.memory_file(data)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
    reader, writer = os.pipe()
    try:
        # A pipe that has room for all of it: then a write does not wait.
        if fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, max(len(data), 1)) < len(data):
            raise OSError(errno.EFBIG, "a pipe smaller than was asked for")
        os.write(writer, data)
    except OSError as error:
        os.close(reader)
        raise OSError(
            errno.EFBIG,
            f"the start data of {len(data):,} bytes are over the limit of file sizes "
            "(RLIMIT_FSIZE) and do not fit into a pipe: raise the limit, or send large arguments "
            "through a queue",
        ) from error
    finally:
        os.close(writer)
    return reader
