"""loky (also as a part of joblib), fitted to this package: its processes and queues.

Idea: loky's processes are fresh interpreters that it starts by a command line of its own, in which
`multiprocessing` would be the standard package. Here they are started as those of ``spawn`` are:
members of the family, with this package in the place of the standard one. loky's queues pickle with
reducers of their own before a thread sends the bytes; here ``put`` does.

Invariant: a process of loky runs the main module only if its class says so, because loky sends by
value what is defined there.

Layer: context; imports processes. Imported with the first such library.
"""

from __future__ import annotations

import functools
import os
from importlib import import_module
from types import ModuleType
from typing import Any

from .. import _core, popen_spawn_posix, queues, spawn
from .._base import environment, launch_state
from .._pickling import by_value
from .packed import Packed

# --------------------------------------------------------------------------------------- processes


class _Popen(popen_spawn_posix.Popen):
    """The parent's object for a process of loky."""

    method = "loky"

    def _launch(self, process_obj: Any) -> None:
        backend = type(process_obj)._backend
        token = self._start.reserve()
        with launch_state.spawning(self), launch_state.collecting() as handles:
            preparation = spawn.get_preparation_data(process_obj.name)
            if not process_obj.init_main_module:
                preparation.pop("init_main_from_name", None)
                preparation.pop("init_main_from_path", None)
            dumps = import_module(f"{backend}.reduction").dumps
            process_obj._tracker = _Tracker(f"{backend}.resource_tracker")
            data = by_value.dumps_by_name(preparation) + dumps(process_obj)
        for handle in handles:
            _core.give_reference(token, handle)
        env = {name: str(value) for name, value in process_obj.env.items()}
        with environment.inherited(env):
            self._spawn(data, token, process_obj.die_with_parent)


class _Tracker:
    """The process of loky that removes files: the child uses the one of its parent.

    An attribute of the process object; unpickling it connects the child to the tracker.
    """

    def __init__(self, module: str):
        self._module = module

    def __reduce__(self) -> Any:
        tracker = import_module(self._module)._resource_tracker
        tracker.ensure_running()
        fd = launch_state.spawning_popen().duplicate_for_child(tracker._fd)
        return _connect_to_tracker, (self._module, fd)


def _connect_to_tracker(module: str, fd: int) -> _Tracker:
    os.set_inheritable(fd, False)
    import_module(module)._resource_tracker._fd = fd
    return _Tracker(module)


def _change_process(module: ModuleType) -> None:
    module.LokyProcess._Popen = staticmethod(_Popen)
    module.LokyProcess._backend = module.__name__.rpartition(".")[0]


# ------------------------------------------------------------------------------------------ queues


def _change_queues(module: ModuleType) -> None:
    for kind in (module.Queue, module.SimpleQueue):
        kind._reducers = None  # in a queue that was pickled before it had any
        kind.__getstate__ = _get_reducers
        kind.__setstate__ = _set_reducers
        kind.close = queues.Queue.close

    def put(self: Any, obj: Any, *args: Any, **kwargs: Any) -> None:
        dumps = functools.partial(module.dumps, reducers=self._reducers)
        _core.Channel.put(self, Packed(obj, dumps), *args, **kwargs)

    module.Queue.put = module.SimpleQueue.put = put


def _get_reducers(queue: Any) -> Any:
    return queue._reducers


def _set_reducers(queue: Any, reducers: Any) -> None:
    queue._reducers = reducers


# Module -> the names it must have, and what changes it.
CHANGES = {
    "loky.backend.process": (("LokyProcess",), _change_process),
    "loky.backend.queues": (("Queue", "SimpleQueue", "dumps"), _change_queues),
}
