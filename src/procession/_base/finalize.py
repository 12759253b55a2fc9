"""Callbacks for the end of an object, for the exit of a process, and after a fork.

Idea: a finalizer is a callback that runs when an object is garbage (by a weak reference), when the
process exits (by a priority), or at the first of both. All that have not run are in one registry,
ordered by (priority, age).

Invariant: a finalizer runs at most once, only in the process that made it, and in the thread that
removes it from the registry: one dictionary pop decides between threads.

Layer: base.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import weakref

from . import hooks, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    _Key = tuple[int | None, int]
    _AfterForker = tuple[int, int, Callable[[Any], object]]

_finalizer_registry: dict[_Key, Finalize] = {}
_finalizer_counter = itertools.count()


class Finalize:
    """A callback that runs once: when *obj* is garbage, at exit, or when it is called.

    Args:
        obj: the object whose end runs the callback, held weakly; None for exit only.
        callback: called with *args* and *kwargs*; must not refer to *obj*.
        exitpriority: None to do nothing at exit; else those of higher numbers run earlier.
    Raises:
        TypeError: the priority is not an integer.
        ValueError: neither an object nor a priority was given.
    """

    def __init__(
        self,
        obj: object,
        callback: Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        exitpriority: int | None = None,
    ):
        if exitpriority is not None and not isinstance(exitpriority, int):
            kind = type(exitpriority).__name__
            raise TypeError(f"exitpriority must be None or an integer, not {kind}")
        if obj is None and exitpriority is None:
            raise ValueError("Without object, exitpriority cannot be None")
        self._callback: Callable[..., Any] | None = callback
        self._args: tuple[Any, ...] = tuple(args)
        self._kwargs: dict[str, Any] = dict(kwargs or {})
        self._key: _Key = (exitpriority, next(_finalizer_counter))
        self._pid = os.getpid()
        self._weakref = None if obj is None else weakref.ref(obj, self)
        _finalizer_registry[self._key] = self

    # Defaults are evaluated early: a finalizer may run when the module's globals are gone.
    def __call__(
        self,
        _reference: object = None,
        _pop: Callable[..., Any] = _finalizer_registry.pop,
        _getpid: Callable[[], int] = os.getpid,
    ) -> Any:
        """Run the callback unless it has run, was cancelled, or belongs to another process."""
        if _pop(self._key, None) is None or self._callback is None:
            return None
        callback, args, kwargs = self._callback, self._args, self._kwargs
        self._forget()
        return callback(*args, **kwargs) if self._pid == _getpid() else None

    def cancel(self) -> None:
        """Never run the callback."""
        if _finalizer_registry.pop(self._key, None) is not None:
            self._forget()

    def still_active(self) -> bool:
        """Return whether the callback has not run and was not cancelled."""
        return self._key in _finalizer_registry

    def _forget(self) -> None:
        """Remove all references of the finalizer, so that it keeps nothing alive."""
        self._weakref = self._callback = None
        self._args, self._kwargs = (), {}

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._callback is None or (self._weakref is not None and self._weakref() is None):
            return f"<{name} object, dead>"
        parts = [f"callback={getattr(self._callback, '__name__', self._callback)}"]
        parts += [f"args={self._args}"] if self._args else []
        parts += [f"kwargs={self._kwargs}"] if self._kwargs else []
        parts += [] if self._key[0] is None else [f"exitpriority={self._key[0]}"]
        return f"<{name} object, {', '.join(parts)}>"


def _run_finalizers(minpriority: int | None = None) -> None:
    """Run the finalizers with an exit priority of at least *minpriority* (None: all of them).

    Higher priorities run first; of equal ones the younger runs first. What a callback raises is
    shown, and the others still run.
    """

    def is_due(key: _Key) -> bool:
        return key[0] is not None and (minpriority is None or key[0] >= minpriority)

    # A copy of the keys: callbacks, other threads and the garbage collector change the registry.
    for key in sorted(filter(is_due, list(_finalizer_registry)), reverse=True):
        finalizer = _finalizer_registry.get(key)
        if finalizer is None:
            continue
        log.sub_debug("calling %s", finalizer)
        try:
            finalizer()
        except Exception:  # noqa: BLE001 - shown; the others still run
            sys.excepthook(*sys.exc_info())
    if minpriority is None:
        _finalizer_registry.clear()


# ------------------------------------------------------------------------------------- after a fork

_afterfork_registry: Any = weakref.WeakValueDictionary()  # _AfterForker -> the object
_afterfork_counter = itertools.count()


def register_after_fork(obj: Any, func: Callable[[Any], object]) -> None:
    """Call ``func(obj)`` in each child that is forked while *obj* exists."""
    _afterfork_registry[(next(_afterfork_counter), id(obj), func)] = obj


def _run_after_forkers() -> None:
    """In a forked child: call the functions in the order of registration; log their errors."""
    if not _afterfork_registry.data:  # len() would run Python code
        return
    for (_, _, func), obj in sorted(_afterfork_registry.items(), key=lambda item: item[0][:2]):
        try:
            func(obj)
        except Exception as error:  # noqa: BLE001 - logged; the others still run
            log.info("after forker raised exception %s", error)


# ---------------------------------------------------------------------------------- the exit itself

_exiting = False

# Called at the end of the exit function, when this process starts and needs nothing more.
exit_callbacks: list[Callable[[], object]] = []


def is_exiting() -> bool:
    """Return whether this process is running its exit function, or has run it."""
    return bool(_exiting)


def _exit_function() -> None:
    """Run the finalizers, terminate children that are daemons, join all children."""
    global _exiting
    if _exiting:
        return
    _exiting = True
    idle = log.logger is None and not _finalizer_registry and not exit_callbacks
    if idle and not hooks.active_children():
        return  # true of most forked children, where each further step costs time
    log.info("process shutting down")
    log.debug('running all "atexit" finalizers with priority >= 0')
    if _finalizer_registry:
        _run_finalizers(0)
    for child in hooks.active_children():
        if child.daemon:
            log.info("calling terminate() for daemon %s", child.name)
            child.terminate()
    for child in hooks.active_children():
        log.info("calling join() for process %s", child.name)
        child.join()
    log.debug('running the remaining "atexit" finalizers')
    if _finalizer_registry:
        _run_finalizers()
    while exit_callbacks:
        exit_callbacks.pop()()


def register_exit_function() -> None:
    """Have the exit function run before all exit functions that are registered now."""
    atexit.unregister(_exit_function)
    atexit.register(_exit_function)


def reset_in_child() -> None:
    """In a forked child: empty the registries, whose callbacks are the parent's.

    The exit function is not registered either: the code that ends a forked child calls it, after
    all registered ones.
    """
    global _exiting
    _exiting = False
    atexit._clear()
    _finalizer_registry.clear()
    if exit_callbacks:
        exit_callbacks.clear()


register_exit_function()
log.on_first_use = register_exit_function
