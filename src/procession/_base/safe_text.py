"""What can always be said of an object or an exception of the program.

Idea: a report of an error is made of the program's own objects, whose methods may raise, exit, or
return texts of any size. Here each such call is guarded: what it cannot give is replaced by a text
that says so, and what is too long is cut.

Invariant: the functions return a `str` that can be encoded, of a bounded length, whatever the
object does. Only a KeyboardInterrupt is let through: it may be the user's own Ctrl-C.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_REPR = 10_000  # characters
LONGEST_TRACEBACK = 200_000

# The setters of the type itself: a class of exceptions may refuse every new attribute.
_set_cause = BaseException.__dict__["__cause__"].__set__


def text_of(obj: object, convert: Callable[[Any], str] = repr, most: int = LONGEST_REPR) -> str:
    """Return ``convert(obj)``, or a text that says why there is none.

    Args:
        convert: `repr`, `str`, or another function that calls methods of *obj*.
        most: so many characters at most, and a few that say how many there were.
    """
    try:
        text = convert(obj)
        return _clipped(_encodable(text), most)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the object's own methods raise
        name = getattr(convert, "__name__", "text")
        return f"<{type(obj).__name__}, whose {name} raises {type(error).__name__}>"


def name_of(error: BaseException) -> str:
    """Return ``Type: message``, as the last line of a traceback has it."""
    kind, said = type(error).__name__, text_of(error, str)
    return f"{kind}: {said}" if said else kind


def traceback_of(error: BaseException) -> str:
    """Return the traceback of *error* with its causes and notes, as the interpreter shows it."""
    return text_of(error, _formatted, LONGEST_TRACEBACK)


def _formatted(error: BaseException) -> str:
    import traceback  # only for an error

    try:
        return "".join(traceback.format_exception(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - its notes or causes, perhaps: the frames can be told
        frames = "".join(traceback.format_tb(error.__traceback__))
        return f"Traceback (most recent call last):\n{frames}{name_of(error)}\n"


def set_cause(error: BaseException, cause: BaseException) -> None:
    """Make *cause* the cause of *error*, which need not take new attributes."""
    _set_cause(error, cause)


def forget_frames(error: BaseException) -> None:
    """Release what the frames of *error* keep alive; it need not take new attributes."""
    BaseException.with_traceback(error, None)


def callable_name(function: object) -> str:
    """Return what messages call *function*, anything that can be called."""
    return text_of(function, _qualified_name)


def _qualified_name(function: object) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def add_note(error: BaseException, note: str) -> None:
    """Add *note* to *error*, which need not take new attributes."""
    try:
        error.add_note(note)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - its `__setattr__` raises; its dictionary is ours to change
        object.__getattribute__(error, "__dict__")["__notes__"] = [note]


def _encodable(text: str) -> str:
    """Return *text* without lone surrogates, which cannot be written or sent."""
    if type(text) is str and text.isascii():
        return text
    return str(str.encode(text, "utf-8", "backslashreplace"), "utf-8")


def _clipped(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text):,} characters) ... {text[-half:]}"
