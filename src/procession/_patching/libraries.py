"""Libraries that build on the inside of the standard package, fitted to the inside of this one.

Idea: a few libraries derive their own queues, pools and process classes from those of
`multiprocessing` and rely on how these work within. While this package stands in for the standard
one, such a module is changed right after its import, in the few places where it reaches into what
is not there:

    loky (also as a part of joblib): its processes are fresh interpreters, started by a command line
        of its own, in which the standard package would be the standard one. Here they are started
        as those of ``spawn`` are: members of the family, with this package in the same place. Its
        queues pickle with reducers of their own before a thread sends the bytes; here ``put`` does.
    joblib: its pools pickle with reducers of their own, which have large arrays, and arrays that
        lie in a file, mapped by the workers instead of copied.

Invariant: a module is changed only if all that is to be changed is there, and only in processes
where `install` was called; what it offers stays as it was.

Layer: context; imports processes. Imported with the first such library.
"""

from __future__ import annotations

import functools
import io
import os
import pickle
from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

from .. import _core, popen_spawn_posix, queues, spawn
from .._base import environment, launch_state
from .._pickling import by_value

# ------------------------------------------------------------------------------- pickled otherwise

_Dumps = Callable[[Any], Any]


class Packed:
    """An object on its way through a queue or a pool, where a pickler of its own packs it.

    It arrives as the object itself. It is packed while the message is being pickled, so that what
    the object refers to in shared memory is held until it has arrived.
    """

    __slots__ = ("_dumps", "_obj")

    def __init__(self, obj: Any, dumps: _Dumps):
        self._obj, self._dumps = obj, dumps

    def __reduce__(self) -> Any:
        return pickle.loads, (pickle.PickleBuffer(self._dumps(self._obj)),)


class _Packing:
    """A function on its way to a worker, where its results are packed, too."""

    def __init__(self, function: Callable[..., Any], forward: _Dumps, backward: _Dumps):
        self._function, self._forward, self._backward = function, forward, backward

    def __call__(self, *args: Any, **kwargs: Any) -> Packed:
        return Packed(self._function(*args, **kwargs), self._backward)

    def __repr__(self) -> str:
        return repr(self._function)

    def __reduce__(self) -> Any:
        return _Packing, (Packed(self._function, self._forward), self._forward, self._backward)


# ------------------------------------------------------------------------------------------- loky


class _LokyPopen(popen_spawn_posix.Popen):
    """The parent's hold on a process of loky.

    Unlike other spawned ones it runs the main module only if its class says so: loky sends by value
    what is defined there.
    """

    method = "loky"

    def _launch(self, process_obj: Any) -> None:
        backend = type(process_obj)._backend
        token = _core.reserve_slot()
        try:
            with launch_state.spawning(self), launch_state.collecting() as handles:
                preparation = spawn.get_preparation_data(process_obj.name)
                if not process_obj.init_main_module:
                    preparation.pop("init_main_from_name", None)
                    preparation.pop("init_main_from_path", None)
                dumps = import_module(f"{backend}.reduction").dumps
                process_obj._tracker = _Tracker(f"{backend}.resource_tracker")
                data = by_value._plain(preparation) + dumps(process_obj)
            for handle in handles:
                _core.hold(token, handle)
            env = {name: str(value) for name, value in process_obj.env.items()}
            with environment.inherited(env):
                self._start(data, token, bond=process_obj.die_with_parent)
        except BaseException:
            _core.abandon(token)
            raise
        _core.launched(token, self.pid)


class _Tracker:
    """Loky's process that removes files, one for the parent and its children."""

    def __init__(self, module: str):
        self._module = module

    def __reduce__(self) -> Any:
        tracker = import_module(self._module)._resource_tracker
        tracker.ensure_running()
        fd = launch_state.spawning_popen().duplicate_for_child(tracker._fd)
        return _adopt_tracker, (self._module, fd)


def _adopt_tracker(module: str, fd: int) -> _Tracker:
    os.set_inheritable(fd, False)
    import_module(module)._resource_tracker._fd = fd
    return _Tracker(module)


def _change_loky_process(module: ModuleType) -> None:
    module.LokyProcess._Popen = staticmethod(_LokyPopen)
    module.LokyProcess._backend = module.__name__.rpartition(".")[0]


def _change_loky_queues(module: ModuleType) -> None:
    for kind in (module.Queue, module.SimpleQueue):
        kind._reducers = None  # if nothing else was pickled
        kind.__getstate__ = _reducers_of
        kind.__setstate__ = _set_reducers
        kind.close = queues.Queue.close

    def put(self: Any, obj: Any, *args: Any, **kwargs: Any) -> None:
        dumps = functools.partial(module.dumps, reducers=self._reducers)
        _core.Channel.put(self, Packed(obj, dumps), *args, **kwargs)

    module.Queue.put = module.SimpleQueue.put = put


def _reducers_of(queue: Any) -> Any:
    return queue._reducers


def _set_reducers(queue: Any, reducers: Any) -> None:
    queue._reducers = reducers


# ------------------------------------------------------------------------------------------ joblib


def _change_joblib_pool(module: ModuleType) -> None:
    cls = module.PicklingPool
    for name in ("map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered"):
        setattr(cls, name, _packing_map(module, getattr(cls, name)))
    cls.apply_async = _packing_apply(module, cls.apply_async)


def _packing_map(module: ModuleType, method: Any) -> Any:
    @functools.wraps(method)
    def call(self: Any, func: Any, iterable: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        forward, backward = _packers(module, self)
        items = (Packed(item, forward) for item in iterable)
        return method(self, _Packing(func, forward, backward), items, *args, **kwargs)

    return call


def _packing_apply(module: ModuleType, method: Any) -> Any:
    @functools.wraps(method)
    def call(
        self: Any, func: Any, args: Any = (), kwds: Any = None, *more: Any, **options: Any
    ) -> Any:
        forward, backward = _packers(module, self)
        packed = [Packed(each, forward) for each in args]
        named = {name: Packed(each, forward) for name, each in (kwds or {}).items()}
        function = _Packing(func, forward, backward)
        return method(self, function, packed, named, *more, **options)

    return call


def _packers(module: ModuleType, pool: Any) -> tuple[_Dumps, _Dumps]:
    pickler = module.CustomizablePickler
    return (
        functools.partial(_dumps, pickler, pool._forward_reducers),
        functools.partial(_dumps, pickler, pool._backward_reducers),
    )


def _dumps(pickler: Any, reducers: Any, obj: Any) -> Any:
    """Pickle with the pool's pickler; by value what that refuses, as everywhere here."""
    buffer = io.BytesIO()
    try:
        pickler(buffer, reducers).dump(obj)
        return buffer.getbuffer()
    except by_value._REFUSALS:
        loky_reduction = import_module("joblib.externals.loky.backend.reduction")
        return loky_reduction.dumps(obj, reducers=reducers)


# ------------------------------------------------------------------------------------- the imports

# Module -> what has to be there, and what changes it.
CHANGES: dict[str, tuple[tuple[str, ...], Callable[[ModuleType], None]]] = {
    "loky.backend.process": (("LokyProcess",), _change_loky_process),
    "loky.backend.queues": (("Queue", "SimpleQueue", "dumps"), _change_loky_queues),
    "joblib.pool": (("PicklingPool", "CustomizablePickler"), _change_joblib_pool),
}


class Loader:
    """Loads a module as *loader* does, then changes it as `CHANGES` says of *name*."""

    def __init__(self, loader: Any, name: str):
        self._loader, self._name = loader, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> ModuleType | None:
        """As the module's own loader."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """As the module's own loader; then change the module."""
        self._loader.exec_module(module)
        wanted, change = CHANGES[self._name]
        if all(hasattr(module, name) for name in wanted):
            change(module)
