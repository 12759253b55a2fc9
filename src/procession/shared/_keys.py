"""The bytes of keys that are not simple values.

Idea: keys of shared mappings are compared by bytes, which must not depend on the process. A frozen
set is encoded as the sorted bytes of its elements, any other object as the name of its type and a
pickle. The pickle is made without a memo, which would make it depend on whether two equal parts are
one object.

Invariant: equal simple values, and equal frozen sets of them, have equal bytes. Other objects have
equal bytes if they have the same type and equal pickles; their own ``__eq__`` is not called.

Layer: ipc.
"""

from __future__ import annotations

import io
import pickle
import sys

from .. import _core

_PROTOCOL = 5
_SIZE = 4  # bytes of a size, in the machine's byte order


def encode(key: object) -> bytes:
    """Return the bytes of *key*, which can be hashed and is not a simple value.

    Raises:
        TypeError: it cannot be pickled.
    """
    if type(key) is frozenset:
        return b"{" + b"".join(sorted(_sized(_core.dict_key_bytes(element)) for element in key))
    name = f"{type(key).__module__}.{type(key).__qualname__}".encode()
    return b"P" + _sized(name) + _pickled(key)


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(_SIZE, sys.byteorder) + part


def _pickled(key: object) -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, _PROTOCOL)
    pickler.fast = True  # without a memo
    try:
        pickler.dump(key)
    except (pickle.PicklingError, AttributeError, RecursionError) as error:
        raise TypeError(
            f"{type(key).__name__} cannot be a key of a shared mapping, as it cannot be pickled: "
            f"{error}"
        ) from error
    return stream.getvalue()
