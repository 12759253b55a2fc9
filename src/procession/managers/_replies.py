"""The reply that carries an exception of a method.

Idea: the exception itself goes to the caller, so that programs can catch it; the traceback of the
place where it was raised goes along as its cause. An exception that cannot be pickled, or cannot be
rebuilt at the other side, goes as text.

Invariant: what is sent as an exception was pickled and rebuilt once here, so it can be rebuilt
there; for exceptions of the language itself that is known without a trial.

Layer: pools and managers; imports the errors of `pool` that can be sent.
"""

from __future__ import annotations

import pickle

from .._base import safe_text
from ..pool._remote_errors import ExceptionWithTraceback
from ._protocol import ERROR, TRACEBACK, Reply

_SAFE_MODULES = ("builtins", "queue", "threading")


def error_reply(error: BaseException) -> Reply:
    """Return the reply for a call whose method raised *error*.

    What would end the caller's program, or look like its Ctrl-C, goes as text.
    """
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        return TRACEBACK, safe_text.traceback_of(error)
    try:
        return _reply_with(error)
    except BaseException:  # noqa: BLE001 - the exception's own methods raise
        return TRACEBACK, safe_text.traceback_of(error)


def _reply_with(error: BaseException) -> Reply:
    """Return the reply that carries *error* itself; its text if it cannot be sent."""
    frames = error.__traceback__
    # The first frame is the server's own. A method written in C has no frame after it, so there is
    # no traceback to send.
    inner = frames.tb_next if frames is not None else None
    if inner is None and _is_safe(error):
        return ERROR, error.with_traceback(None)
    text = safe_text.traceback_of(error)
    wrapped = ExceptionWithTraceback(error, inner)
    if _is_safe(error) or _can_be_rebuilt(wrapped):
        return ERROR, wrapped
    return TRACEBACK, text


def _is_safe(error: BaseException) -> bool:
    """Whether *error* is known to survive pickling: it is the language's own, nothing was added."""
    kind = type(error)
    return kind.__module__ in _SAFE_MODULES and not vars(error) and not error.__cause__


def _can_be_rebuilt(wrapped: ExceptionWithTraceback) -> bool:
    """Whether *wrapped* survives pickling: tried out."""
    try:
        pickle.loads(pickle.dumps(wrapped))
    except BaseException:  # noqa: BLE001 - whatever its own methods raise
        return False
    return True
