"""Pickling for channels: what neither the core nor plain pickle can write.

Idea: the core writes scalars as they are and tries `pickle.dumps` for the rest. What that refuses,
and everything once a program has registered reducers of its own, comes here, to the package's
pickler, and what that refuses as well goes by value. Large buffers are left out of the stream
(pickle protocol 5), and the core lists the handles that are pickled on the way: it puts the buffers
into shared memory once and has the message own a reference to each handle's block, so that nothing
in flight can vanish.

Invariant: what cannot be pickled raises here, in the caller of ``put``; nothing is half sent.

Layer: ipc.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from .. import _core
from . import settings
from .pickler import pickle_parts, with_explanation

PROTOCOL = 5


def encode(obj: object, buffers: list[memoryview]) -> bytes:
    """Pickle *obj*; buffers that stay out of the stream are appended to *buffers*.

    Raises:
        pickle.PicklingError, TypeError, AttributeError: *obj* cannot be pickled; the message names
            the part that is the trouble.
    """
    keep = partial(_keep_in_band, buffers)
    try:
        parts = pickle_parts(obj, PROTOCOL, keep, main_is_there=not settings.main_goes_by_value)
    except (pickle.PicklingError, TypeError, AttributeError) as refusal:
        return _by_value(obj, buffers, keep, refusal)
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def _by_value(
    obj: object,
    buffers: list[memoryview],
    keep: Callable[[pickle.PickleBuffer], bool],
    refusal: Exception,
) -> bytes:
    """Pickle *obj*, of which plain pickle refused something, with that by value.

    Raises: the kind of error that *refusal* is; that part cannot be sent in any way.
    """
    from . import by_value  # most programs need no cloudpickle

    buffers.clear()
    try:
        stream: bytes = by_value.dumps_message(obj, keep)
    except Exception:  # noqa: BLE001 - whatever the object's own methods raise
        raise with_explanation(refusal, obj, by_value.dumps_message) from refusal
    return stream


def _keep_in_band(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    view = buffer.raw()
    if view.nbytes < _core.OUT_OF_BAND_BYTES:
        return True
    buffers.append(view)
    return False


# ------------------------------------------------------------------- what could not be rebuilt


class _Dummy:
    """Stands for whatever a stream names; accepts all that a stream can do to an object."""

    def __new__(cls, *args: object, **kwargs: object) -> _Dummy:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    add = append

    def extend(self, items: object) -> None:
        pass


class _NameReader(pickle.Unpickler):
    """Reads a stream without running anything that it names."""

    def __init__(self, stream: bytes):
        super().__init__(io.BytesIO(stream), buffers=repeat(b""))
        self.names: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        self.names.append(name if module == "builtins" else f"{module}.{name}")
        return _Dummy

    def persistent_load(self, pid: object) -> Any:
        return _Dummy()


def name_culprit(error: BaseException, stream: bytes | memoryview) -> None:
    """Add a note to *error*, which came of rebuilding the object of *stream*: what was named there.

    The type of the exception stays what it would be in the standard library.
    """
    reader = _NameReader(bytes(stream))
    try:
        reader.load()
    except Exception as also:  # noqa: BLE001  a stream that is no pickle at all, perhaps
        reader.names.append(f"(then: {also})")
    names = ", ".join(dict.fromkeys(reader.names)) or "no types"
    error.add_note(
        f"This came of rebuilding a received object, which names {names}. The object is gone; what "
        f"else was sent is not. Can this process import what it names?"
    )
