"""Pickling for channels: what neither the core nor plain pickle can write.

Idea: the core writes scalars itself and calls `pickle.dumps` for the rest. What that refuses, and
everything once a program has registered reducers of its own, is pickled here, by the package's
pickler; what that refuses too is pickled by value. Large buffers are left out of the stream (pickle
protocol 5): the core copies each into shared memory once. It also lists the handles that are
pickled on the way, and the message owns a reference to the block of each, so that nothing that a
message names is freed before it is received.

Invariant: what cannot be pickled raises here, in the caller of ``put``; nothing was sent then.

Layer: pickling; imports the base layer.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from .. import _core
from .._base import safe_text
from . import settings
from .pickler import pickle_parts, with_explanation

PROTOCOL = 5


def encode(obj: object, buffers: list[memoryview]) -> bytes:
    """Pickle *obj*; append the buffers that are left out of the stream to *buffers*.

    Raises:
        pickle.PicklingError, TypeError, AttributeError: *obj* cannot be pickled; the message names
            the part that is the cause.
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
    """Pickle *obj*, of which plain pickle refused a part, with that part by value.

    Raises: an error of the type of *refusal*: the part cannot be pickled by value either.
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
    """An object in the role of whatever a stream names; it accepts all operations of a stream."""

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
    """Reads the names in a stream without running anything that it names."""

    def __init__(self, stream: bytes):
        super().__init__(io.BytesIO(stream), buffers=repeat(b""))
        self.names: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        self.names.append(name if module == "builtins" else f"{module}.{name}")
        return _Dummy

    def persistent_load(self, pid: object) -> Any:
        return _Dummy()


def name_culprit(error: BaseException, stream: bytes | memoryview) -> None:
    """Add a note to *error*, raised by rebuilding the object of *stream*, with the names in it.

    The type of the exception remains that of the standard library.
    """
    reader = _NameReader(bytes(stream))
    try:
        reader.load()
    except Exception as also:  # noqa: BLE001  a stream that is no pickle at all, perhaps
        reader.names.append(f"(then: {also})")
    names = ", ".join(dict.fromkeys(reader.names)) or "no types"
    safe_text.add_note(
        error,
        f"This came of rebuilding a received object, which names {names}. The object is gone; what "
        f"else was sent is not. Can this process import what it names?",
    )
