"""The answer that carries an exception of a method.

Idea: the exception itself goes to the caller, so programs can catch it; where it was raised goes
along as its cause. An exception that cannot be sent, or would not arrive, goes as text.

Invariant: what is sent as an exception has been pickled and rebuilt once, so it will be again; of
those of the language itself that is known.

Layer: pools and managers; imports `pool`'s errors that travel.
"""

from __future__ import annotations

import pickle
import traceback
from typing import Any

from ..pool._remote_errors import ExceptionWithTraceback
from ._protocol import ERROR, TRACEBACK

_SAFE_MODULES = ("builtins", "queue", "threading")


def error_answer(error: Exception) -> tuple[str, Any]:
    """Return the answer for a call whose method raised *error*."""
    frames = error.__traceback__
    # The first frame is the server's own; a method written in C has no other, and nothing to tell.
    inner = frames.tb_next if frames is not None else None
    if inner is None and _is_safe(error):
        return ERROR, error.with_traceback(None)
    text = "".join(traceback.format_exception(type(error), error, frames))
    wrapped = ExceptionWithTraceback(error, inner)
    if _is_safe(error) or _travels(wrapped):
        return ERROR, wrapped
    return TRACEBACK, text


def _is_safe(error: Exception) -> bool:
    kind = type(error)
    return kind.__module__ in _SAFE_MODULES and not vars(error) and not error.__cause__


def _travels(wrapped: ExceptionWithTraceback) -> bool:
    try:
        pickle.loads(pickle.dumps(wrapped))
    except Exception:  # noqa: BLE001 - whatever its own methods raise
        return False
    return True
