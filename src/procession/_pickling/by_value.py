"""Pickling what plain pickle refuses: lambdas, closures, what was typed at a prompt.

Idea: a function or class that the receiver can import is pickled as its name, as by plain pickle.
One that it cannot import is pickled by value: its code and the variables it uses, by means of
cloudpickle. Plain pickle is tried first, because it is faster and its errors are the known ones.

Invariant: what the main module defines is pickled by value only if the receiver cannot find the
main module. When a class that came by value from another process is sent back to it, the result
there is the class itself, unchanged.

Layer: pickling; imports the base layer and the core; `cloudpickle` on first use.
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

    The parent always has the main module; a child has to find it again. A reducer that the user set
    is tried first in any case.

    Raises:
        pickle.PicklingError, AttributeError, TypeError: it cannot be pickled by value either; the
            error is that of plain pickle.
    """
    main_is_there = for_parent or main_module.is_found_again()
    if not main_is_there and settings.reducer is None and _have_cloudpickle():
        _send_main_by_value()
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
    """Pickle *obj* by value for a message, whose receiver may be any process of the family.

    Args:
        buffer_callback: that of `pickle.Pickler`.
    Raises: whatever the methods of *obj* raise.
    """
    file = io.BytesIO()
    what = "all" if settings.refused_goes_by_value else "foreign"
    _pickler_class()(file, not settings.main_goes_by_value, what, buffer_callback).dump(obj)
    return file.getvalue()


def _send_main_by_value() -> None:
    """Have messages no longer rely on the main module, which a child that starts will not find."""
    if not settings.main_goes_by_value:
        settings.main_goes_by_value = True
        _core.allow_standard_pickler(False)


def dumps_by_name(obj: Any) -> bytes:
    """Pickle *obj* with functions and classes as names, by the user's reducer if there is one."""
    file = io.BytesIO()
    (settings.reducer or pickler).dump(obj, file)
    return file.getvalue()


@cache
def _have_cloudpickle() -> bool:
    """Return whether cloudpickle can be imported: not without the folders of `site`."""
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

    by_value = _cloudpickle_reducers()

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Cloudpickle with the package's reducers, and names for all that the receiver can import.

        Args:
            what: which functions and classes are pickled by value: "all" that cannot be imported,
                "foreign" classes only, which came by value themselves, or for the "definition" of a
                foreign class all, that class included.
        """

        def __init__(
            self,
            file: io.BytesIO,
            main_is_there: bool,
            what: str = "all",
            buffer_callback: Callable[[Any], Any] | None = None,
        ):
            self._main_is_there, self._what = main_is_there, what
            # Set before the pickler's own __init__, which reads it once.
            self.dispatch_table: Any = ChainMap(_own_reducers(), copyreg.dispatch_table, by_value)
            super().__init__(file, buffer_callback=buffer_callback)

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, FunctionType | type):
                if self._main_is_there and _is_in_main(obj):
                    return NotImplemented  # pickle then writes the name
                class_id = None if self._what == "definition" else _foreign_id(obj)
                if class_id is not None:
                    return _find_class, (class_id, _definition(obj, self._main_is_there))
                if self._what == "foreign":
                    return NotImplemented
            return super().reducer_override(obj)

    return ByValuePickler


def _cloudpickle_reducers() -> dict[type, Any]:
    """Return cloudpickle's reducers, less those that would make an object of another type."""
    import cloudpickle

    # A copy of a merged table: what is registered later must be looked up in `copyreg` itself.
    by_value = dict(cloudpickle.Pickler.dispatch_table)
    for kind in (io.TextIOWrapper, memoryview):  # sent as their content
        by_value.pop(kind, None)
    by_value[MethodType] = _reduce_method
    return by_value


def _own_reducers() -> dict[type, Any]:
    """Return the reducers that were registered with the package's own pickler."""
    return dict(getattr(pickler.ForkingPickler, "_extra_reducers", {}))


def _reduce_method(method: MethodType) -> tuple[Any, ...]:
    """Reduce *method* to its name if possible; cloudpickle does not find class methods by name."""
    name = method.__func__.__name__
    if getattr(method.__self__, name, None) == method:
        return getattr, (method.__self__, name)
    return MethodType, (method.__func__, method.__self__)


def _is_in_main(obj: Any) -> bool:
    """Return whether *obj*, a function or class, is found by its name in the main module."""
    return obj.__module__ in _MAIN and _is_found(obj)


def _is_found(obj: Any) -> bool:
    """Return whether *obj*, a function or class, is what its module has under its name."""
    found: Any = sys.modules.get(obj.__module__ or "")
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def goes_by_name(function: Any) -> bool:
    """Return whether a child looks *function* up by its name.

    Then all pickles of it are alike. A pickle by value contains the values that the function's
    variables had at that moment.
    """
    return _is_found(function) and (
        function.__module__ not in _MAIN or main_module.is_found_again()
    )


# ---------------------------------------------------------------- classes of other processes
#
# Cloudpickle gives each class that it pickles by value an id, and when the class comes back it
# finds the original by that id. But then it sets all attributes of the original to those of the
# copy, its methods included. So a class that came from another process is sent as its id, with a
# definition for a receiver that does not know the id.

_sent: WeakKeyDictionary[type, int] = WeakKeyDictionary()  # class -> the process that first sent it


def _foreign_id(obj: Any) -> str | None:
    """Return the id of a class that came by value from another process; None for anything else.

    In a forked child, a class that the parent had sent before the fork counts as the parent's.
    """
    from cloudpickle import cloudpickle

    if not isinstance(obj, type):
        return None
    class_id: str | None = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.get(obj)
    this = os.getpid()
    if class_id is None:
        _sent[obj] = this
    return None if _sent.get(obj) == this else class_id


def _definition(obj: Any, main_is_there: bool) -> bytes:
    """Return a pickle of the class *obj* itself, by value."""
    file = io.BytesIO()
    _pickler_class()(file, main_is_there, "definition").dump(obj)
    return file.getvalue()


def _find_class(class_id: str, definition: bytes) -> Any:
    """In the receiver: return the class of that id, which this process may have made itself."""
    from cloudpickle import cloudpickle

    known = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(class_id)
    return pickle.loads(definition) if known is None else known
