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

import pickle
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from . import _ambient
from .reduction import explained, pieces

PROTOCOL = 5

OUT_OF_BAND_FROM = 4096
"""Buffers of at least so many bytes stay out of the stream; for smaller ones a part of their own
costs more than the copy."""


def encode(obj: object, buffers: list[memoryview]) -> bytes:
    """Pickle *obj*; buffers that stay out of the stream are appended to *buffers*.

    Raises:
        pickle.PicklingError, TypeError, AttributeError: *obj* cannot be pickled; the message names
            the part that is the trouble.
    """
    keep = partial(_keep_in_band, buffers)
    try:
        parts = pieces(obj, PROTOCOL, keep, main_is_there=not _ambient.main_goes_by_value)
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
    by_value = import_module(_ambient.by_value_module)
    buffers.clear()
    try:
        stream: bytes = by_value.stream(obj, keep)
    except Exception:  # noqa: BLE001 - whatever the object's own methods raise
        raise explained(refusal, obj, by_value.stream) from refusal
    return stream


def decode(parts: list[memoryview]) -> Any:
    """The object whose stream is the first of *parts* and whose buffers are the rest."""
    return pickle.loads(parts[0], buffers=parts[1:])


def _keep_in_band(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    view = buffer.raw()
    if view.nbytes < OUT_OF_BAND_FROM:
        return True
    buffers.append(view)
    return False
