"""Pickling what plain pickle refuses: lambdas, closures, what was typed at a prompt.

Idea: a function or class that the receiver can import goes as a name, as ever. One that it cannot
goes by value, with the code and the variables it uses, by means of cloudpickle. Plain pickle is
tried first, because it is faster and its errors are the familiar ones.

Invariant: a thing of the main module goes by value only if the receiver cannot find the main
module. A class that came by value from another process is still that process's class when it comes
back, and nothing about it is changed there.

Layer: process; imports base and ipc.
"""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import sys
from collections import ChainMap
from functools import cache
from types import FunctionType, MethodType
from weakref import WeakKeyDictionary

from .. import _core
from .._base import launch_state
from . import main_module, pickler, settings
from .diagnose import REFUSALS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAIN = ("__main__", "__mp_main__")


def dumps(obj: Any, *, for_parent: bool = False) -> bytes:
    """Pickle *obj* for a process that starts as a fresh interpreter, or for this one's parent.

    The parent has the main module, however it came by it; a child has to find it again. A reducer
    of the user's is tried first in any case.

    Raises:
        pickle.PicklingError, AttributeError, TypeError: neither way works; the error is plain
            pickle's.
    """
    main_is_there = for_parent or main_module.is_found_again()
    if not main_is_there and settings.reducer is None and _have_cloudpickle():
        _main_goes_by_value()
        return _by_value(obj, main_is_there)
    try:
        with launch_state.collecting() as handles:
            data = dumps_by_name(obj)
    except REFUSALS as refusal:
        try:
            return _by_value(obj, main_is_there)
        except Exception as error:
            raise refusal from error
    for handle in handles:
        launch_state.collect(handle)
    return data


def dumps_message(obj: Any, buffer_callback: Callable[[Any], Any] | None = None) -> bytes:
    """Pickle *obj* by value for a message, whose receiver may be any process of the family."""
    file = io.BytesIO()
    what = "all" if settings.refused_goes_by_value else "foreign"
    _pickler_class()(file, not settings.main_goes_by_value, what, buffer_callback).dump(obj)
    return file.getvalue()


def _main_goes_by_value() -> None:
    """A child starts that will not find the main module: messages must not rely on it either."""
    if not settings.main_goes_by_value:
        settings.main_goes_by_value = True
        _core.allow_standard_pickler(False)


def dumps_by_name(obj: Any) -> bytes:
    """Pickle with the reducer in force, which may be the user's."""
    file = io.BytesIO()
    (settings.reducer or pickler).dump(obj, file)
    return file.getvalue()


@cache
def _have_cloudpickle() -> bool:
    """Whether anything can go by value: an interpreter without site folders lacks it."""
    try:
        import cloudpickle  # noqa: F401
    except ImportError:
        return False
    return True


def _by_value(obj: Any, main_is_there: bool) -> bytes:
    file = io.BytesIO()
    with launch_state.collecting() as handles:
        _pickler_class()(file, main_is_there).dump(obj)
    for handle in handles:
        launch_state.collect(handle)
    return file.getvalue()


@cache
def _pickler_class() -> Any:
    """Make the pickler; cloudpickle is imported only by programs that need it."""
    import cloudpickle

    # A copy, so what is registered later has to come from its source, `copyreg`, each time.
    by_value = dict(cloudpickle.Pickler.dispatch_table)
    # Cloudpickle would send what is in them, as something that they are not.
    for kind in (io.TextIOWrapper, memoryview):
        by_value.pop(kind, None)
    by_value[MethodType] = _reduce_method

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Cloudpickle with the package's reducers, and names wherever names will do."""

        def __init__(
            self,
            file: io.BytesIO,
            main_is_there: bool,
            what: str = "all",
            buffer_callback: Callable[[Any], Any] | None = None,
        ):
            self._main_is_there, self._what = main_is_there, what
            # Before the pickler's own __init__, which looks for it once.
            self.dispatch_table: Any = ChainMap(_own_reducers(), copyreg.dispatch_table, by_value)
            super().__init__(file, buffer_callback=buffer_callback)

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, FunctionType | type):
                if self._main_is_there and _is_in_main(obj):
                    return NotImplemented  # pickle then writes the name
                number = None if self._what == "definition" else _number_of_foreign(obj)
                if number is not None:
                    return _class_of, (number, _definition(obj, self._main_is_there))
                if self._what == "foreign":
                    return NotImplemented
            return super().reducer_override(obj)

    return ByValuePickler


def _own_reducers() -> dict[type, Any]:
    """What was registered with the package's own pickler."""
    return dict(getattr(pickler.ForkingPickler, "_extra_reducers", {}))


def _reduce_method(method: MethodType) -> tuple[Any, ...]:
    """By its name, if it has one there; cloudpickle does not find class methods by theirs."""
    name = method.__func__.__name__
    if getattr(method.__self__, name, None) == method:
        return getattr, (method.__self__, name)
    return MethodType, (method.__func__, method.__self__)


def _is_in_main(obj: Any) -> bool:
    """Whether *obj*, a function or class, is found by its name in the main module."""
    return obj.__module__ in _MAIN and _is_found(obj)


def _is_found(obj: Any) -> bool:
    """Whether *obj*, a function or class, is what its module has under its name."""
    found: Any = sys.modules.get(obj.__module__ or "")
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def goes_by_name(function: Any) -> bool:
    """Whether a child looks *function* up by its name: then one pickle of it is as good as another.

    One by value has in it what the function's variables were at that moment.
    """
    return _is_found(function) and (
        function.__module__ not in _MAIN or main_module.is_found_again()
    )


# ---------------------------------------------------------------- classes of other processes
#
# Cloudpickle numbers the classes that go by value, and finds the class again by its number when it
# comes back. But then it sets all attributes of the class to what the other process had, copies of
# its methods included. So what comes from elsewhere goes as its number, with a definition for
# those who do not know it.

_sent: WeakKeyDictionary[type, int] = WeakKeyDictionary()  # our own -> the process that sent it


def _number_of_foreign(obj: Any) -> str | None:
    """The number of a class that came by value from another process; None for all else.

    The copy of a class that the parent has sent before the fork is the parent's, too.
    """
    from cloudpickle import cloudpickle

    if not isinstance(obj, type):
        return None
    number: str | None = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.get(obj)
    this = os.getpid()
    if number is None:
        _sent[obj] = this
    return None if _sent.get(obj) == this else number


def _definition(obj: Any, main_is_there: bool) -> bytes:
    file = io.BytesIO()
    _pickler_class()(file, main_is_there, "definition").dump(obj)
    return file.getvalue()


def _class_of(number: str, definition: bytes) -> Any:
    """In the receiver: the class of that number, which it may have made itself."""
    from cloudpickle import cloudpickle

    known = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(number)
    return pickle.loads(definition) if known is None else known
