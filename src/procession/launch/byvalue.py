"""Pickling what plain pickle refuses: lambdas, closures, what was typed at a prompt.

Idea: a function or class that the child can import goes as a name, as ever. One that it cannot goes
by value, with the code and the variables it uses, by means of cloudpickle. Plain pickle is tried
first, because it is faster and its errors are the familiar ones.

Invariant: a thing of the main module goes by value only if the receiver cannot find the main module.

Layer: process; imports base and ipc.
"""

from __future__ import annotations

import copyreg
import io
import sys
from collections import ChainMap
from functools import cache
from pickle import PicklingError
from types import FunctionType

from .. import _ambient, reduction
from . import mainmodule

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from typing import Any

# What pickle raises when it refuses an object. Anything else comes out of a class's own methods,
# which another pickler would call just the same.
_REFUSALS = (PicklingError, AttributeError, TypeError)


def dumps(obj: Any, *, for_parent: bool = False) -> bytes:
    """Pickle *obj* for a process that starts as a fresh interpreter, or for this one's parent.

    The parent has the main module, however it came by it; a child has to find it again.

    Raises:
        pickle.PicklingError, AttributeError, TypeError: neither way works; the error is plain
            pickle's.
    """
    main_is_there = for_parent or mainmodule.is_found_again()
    if not main_is_there and _have_cloudpickle():
        return _by_value(obj, main_is_there)
    try:
        with _ambient.collecting() as handles:
            data = _plain(obj)
    except _REFUSALS as refusal:
        try:
            return _by_value(obj, main_is_there)
        except Exception as error:
            raise refusal from error
    for handle in handles:
        _ambient.collect(handle)
    return data


def _plain(obj: Any) -> bytes:
    """Pickle with the reducer in force, which may be the user's."""
    file = io.BytesIO()
    (_ambient.reducer or reduction).dump(obj, file)
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
    with _ambient.collecting() as handles:
        _pickler_class()(file, main_is_there).dump(obj)
    for handle in handles:
        _ambient.collect(handle)
    return file.getvalue()


@cache
def _pickler_class() -> Any:
    """Make the pickler; cloudpickle is imported only by programs that need it."""
    import cloudpickle

    # A copy, so what is registered later has to come from its source, `copyreg`, each time.
    # Not open files: cloudpickle would send what is in them, as a file that is none.
    by_value = dict(cloudpickle.Pickler.dispatch_table)
    by_value.pop(io.TextIOWrapper, None)

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Cloudpickle with the package's reducers, and names wherever names will do."""

        def __init__(self, file: io.BytesIO, main_is_there: bool):
            self._main_is_there = main_is_there
            # Before the pickler's own __init__, which looks for it once.
            self.dispatch_table: Any = ChainMap(_own_reducers(), copyreg.dispatch_table, by_value)
            super().__init__(file)

        def reducer_override(self, obj: Any) -> Any:
            named = self._main_is_there and isinstance(obj, FunctionType | type)
            if named and _is_in_main(obj):
                return NotImplemented  # pickle then writes the name
            return super().reducer_override(obj)

    return ByValuePickler


def _own_reducers() -> dict[type, Any]:
    """What was registered with the package's own pickler."""
    return dict(getattr(reduction.ForkingPickler, "_extra_reducers", {}))


def _is_in_main(obj: Any) -> bool:
    """Whether *obj*, a function or class, is found by its name in the main module."""
    if obj.__module__ not in ("__main__", "__mp_main__"):
        return False
    found: Any = sys.modules.get(obj.__module__)
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj
