"""Pickling for channels: what the core cannot write as itself.

Idea: `encode` gives a pickle stream (protocol 5) with large buffers left out of it and the handles
that were pickled on the way listed beside it; the core puts the buffers into shared memory once and has
the message own a reference to each handle's block, so that nothing in flight can vanish.

Invariant: what cannot be pickled raises here, in the caller of ``put``; nothing is half sent.

Layer: ipc.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

from procession._ambient import collecting
from procession.reduction import ForkingPickler

if TYPE_CHECKING:
    from procession._core import Handle

PROTOCOL = 5

OUT_OF_BAND_FROM = 4096
"""Buffers of at least so many bytes stay out of the stream. Smaller ones cost more as extra parts."""

Encoded = bytes | tuple[bytes, list[memoryview], list["Handle"]]


def encode(obj: object) -> Encoded:
    """Pickle *obj*: its stream, alone if that is all, else with its buffers and its handles.

    Raises:
        pickle.PicklingError, TypeError, AttributeError: *obj* cannot be pickled.
    """
    buffers: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < OUT_OF_BAND_FROM:
            return True
        buffers.append(view)
        return False

    with collecting() as handles:
        file = io.BytesIO()
        ForkingPickler(file, PROTOCOL, buffer_callback=keep_in_band).dump(obj)
    if buffers or handles:
        return file.getvalue(), buffers, handles
    return file.getvalue()


def decode(parts: list[memoryview]) -> Any:
    """The object whose stream is the first of *parts* and whose buffers are the rest."""
    return pickle.loads(parts[0], buffers=parts[1:])
