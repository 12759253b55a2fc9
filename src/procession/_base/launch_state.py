"""What the launch that this thread makes is pickling, and the handles it collects.

Idea: a lock may be pickled for a child that is being started, but not for a message; a handle of
shared memory that is pickled must be kept until its receiver has its own. Locks and handles lie
below the start methods, so they ask here.

Invariant: the state of a launch is seen by the thread that makes it alone, and is removed on every
way out of the launch.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

from _thread import _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Launch(_local):
    """The launch that this thread is pickling for, if any."""

    popen: Any = None
    collectors: tuple[list[Any], ...] = ()


_launch = _Launch()


def spawning_popen() -> Any:
    """Return the popen object that this thread is now pickling a process for, or None."""
    return _launch.popen


def set_spawning_popen(popen: Any) -> None:
    """Set the popen object that this thread pickles for; None at the end of the launch."""
    _launch.popen = popen


class spawning:
    """While the body of this ``with`` runs, `spawning_popen()` of this thread is *popen*."""

    def __init__(self, popen: Any):
        self._popen = popen

    def __enter__(self) -> None:
        self._before = _launch.popen
        _launch.popen = self._popen

    def __exit__(self, *_: object) -> None:
        _launch.popen = self._before


class collecting:
    """Collects the handles that this thread pickles while the body of this ``with`` runs.

    Collectors nest. A handle goes to the innermost one, which pickles the bytes that name it.
    """

    def __enter__(self) -> list[Any]:
        handles: list[Any] = []
        self._before = _launch.collectors
        _launch.collectors = (*self._before, handles)
        return handles

    def __exit__(self, *_: object) -> None:
        _launch.collectors = self._before


def state() -> tuple[Any, tuple[list[Any], ...]]:
    """Return what `restore` puts back."""
    return _launch.popen, _launch.collectors


def restore(state: tuple[Any, tuple[list[Any], ...]]) -> None:
    """Put back what `state` returned: an exception may have come within an ``__exit__``."""
    _launch.popen, _launch.collectors = state


def collect(handle: Any) -> bool:
    """Give *handle*, which is being pickled, to the innermost collector.

    Returns:
        Whether there was one. Without a collector the caller must keep the handle alive in some
        other way until the receiver has made its own.
    """
    collectors = _launch.collectors
    if not collectors:
        return False
    collectors[-1].append(handle)
    return True


def assert_spawning(obj: object) -> None:
    """Raise RuntimeError unless this thread is now pickling for a launch."""
    if spawning_popen() is None:
        name = type(obj).__name__
        raise RuntimeError(
            f"{name} objects should only be shared between processes through inheritance"
        )
