"""joblib, fitted to this package: the pickling of its pools.

Idea: its pools pickle with reducers of their own, by which large arrays, and arrays that are in a
file, are mapped by the workers instead of copied. Here each argument, function and result is
wrapped, so that it is pickled by joblib's pickler within the package's messages.

Invariant: what joblib's pickler refuses goes by value, as in every pool of this package.

Layer: context; imported with the first such library.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

from .._pickling import diagnose
from .packed import Dumps, Packed, PackingFunction

_MAPS = ("map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")


def _change_pool(module: ModuleType) -> None:
    cls = module.PicklingPool
    for name in _MAPS:
        setattr(cls, name, _packing_map(module, getattr(cls, name)))
    cls.apply_async = _packing_apply(module, cls.apply_async)


def _packing_map(module: ModuleType, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: Any, func: Any, iterable: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        forward, backward = _picklers(module, self)
        items = (Packed(item, forward) for item in iterable)
        return method(self, PackingFunction(func, forward, backward), items, *args, **kwargs)

    return call


def _packing_apply(module: ModuleType, method: Any) -> Any:
    @functools.wraps(method)
    def call(
        self: Any, func: Any, args: Any = (), kwds: Any = None, *more: Any, **options: Any
    ) -> Any:
        forward, backward = _picklers(module, self)
        packed = [Packed(each, forward) for each in args]
        named = {name: Packed(each, forward) for name, each in (kwds or {}).items()}
        function = PackingFunction(func, forward, backward)
        return method(self, function, packed, named, *more, **options)

    return call


def _picklers(module: ModuleType, pool: Any) -> tuple[Dumps, Dumps]:
    """Return what pickles for the workers of *pool*, and what pickles their results."""
    pickler = module.CustomizablePickler
    return (
        functools.partial(_dumps, pickler, pool._forward_reducers),
        functools.partial(_dumps, pickler, pool._backward_reducers),
    )


def _dumps(pickler: Any, reducers: Any, obj: Any) -> Any:
    """Pickle with the pool's pickler; by value what that refuses."""
    buffer = io.BytesIO()
    try:
        pickler(buffer, reducers).dump(obj)
        return buffer.getbuffer()
    except diagnose.REFUSALS:
        loky_reduction = import_module("joblib.externals.loky.backend.reduction")
        return loky_reduction.dumps(obj, reducers=reducers)


# Module -> the names it must have, and what changes it.
CHANGES = {"joblib.pool": (("PicklingPool", "CustomizablePickler"), _change_pool)}
