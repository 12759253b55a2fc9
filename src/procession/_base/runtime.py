"""What the lower layers need to know of the higher ones, as slots that those fill.

Idea: a lock must know whether a launch is being pickled, a listener needs the key of the current
process, a log record its name; but locks, connections and logs lie below processes. So the facts
stand here, at the bottom: the process layer writes them, everybody reads them, nobody imports
upwards.

Invariant: what belongs to one launch (its popen, the handles it collects) is seen only by the
thread that makes the launch, and is taken away again on every way out of it.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

from _thread import _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..context import DefaultContext
    from ..process import BaseProcess

_current_process: BaseProcess | None = None
_parent_process: BaseProcess | None = None
_parent_is_made = True  # else it is made when somebody asks for it, of the sentinel
_parent_sentinel: int | None = None

# Filled by the context module; a context is also a namespace of everything public.
default_context: DefaultContext | None = None

# Filled by the process module, for the exit function, which lies below it.
active_children: Callable[[], list[BaseProcess]] = list
# Likewise: what stands for the parent of the first argument, whose end the second one reports.
make_parent: Any = None

# True while the package stands in for the standard one. Children of every start method are told,
# and call the function below, which the context package sets, before they import the main module.
stand_in: bool = False
install: Callable[[], None]

# True once a child was started that cannot find the main module (a prompt's, a notebook's): from
# then on whatever is defined there goes by value in all messages.
main_goes_by_value: bool = False
# False in the worker of a pool: what pickle refuses is no result, says the standard package, except
# what came by value from another process.
refused_goes_by_value: bool = True

# Set by the context package: makes a picklable stand-in for a descriptor of this process.
share_fd: Callable[[int], Any]

# Among how many processes the processors are shared: for the worker of a pool as many as that has,
# times the same number of the process that made the pool.
sharers: int = 1

# Descriptors that every member of the family shall have, whatever its start method, by name: the
# way to the fork server, the resource tracker's pipe. Whoever opens one enters it here; in a child
# it is here before the module that uses it is imported (under another number, perhaps).
heirlooms: dict[str, int] = {}

# What the user set as a context's `reducer`; None for the package's own `reduction` module.
reducer: Any = None

# The directory the program started in, which a relative entry of sys.path was relative to.
original_dir: str | None = None


def current_process() -> BaseProcess:
    """The object that stands for this process."""
    assert _current_process is not None, "the process module has not been imported yet"
    return _current_process


def parent_process() -> BaseProcess | None:
    """The object that stands for the parent; None in the main process."""
    global _parent_process, _parent_is_made
    if not _parent_is_made:
        _parent_process = make_parent(current_process(), _parent_sentinel)
        _parent_is_made = True
    return _parent_process


def begin(current: BaseProcess) -> None:
    """Say who this process is: one without a parent."""
    global _current_process
    _current_process = current


def become(current: BaseProcess, parent_sentinel: int | None) -> None:
    """Say who this process is from now on; its parent is what *current* says."""
    global _current_process, _parent_is_made, _parent_sentinel
    _current_process, _parent_is_made, _parent_sentinel = current, False, parent_sentinel


# ----------------------------------------------------------------------------- a launch, per thread


class _Launch(_local):
    """The launch that this thread is pickling for, if any."""

    popen: Any = None
    collectors: tuple[list[Any], ...] = ()


_launch = _Launch()


def spawning_popen() -> Any:
    """The popen object this thread is now pickling a process for, or None."""
    return _launch.popen


def set_spawning_popen(popen: Any) -> None:
    """Say which launch this thread pickles for; None at its end."""
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
    """Gathers the handles that this thread pickles while the body of this ``with`` runs.

    Collectors nest; the innermost takes a handle, as it is the one whose bytes the handle is in.
    """

    def __enter__(self) -> list[Any]:
        handles: list[Any] = []
        self._before = _launch.collectors
        _launch.collectors = (*self._before, handles)
        return handles

    def __exit__(self, *_: object) -> None:
        _launch.collectors = self._before


def collect(handle: Any) -> bool:
    """Give *handle*, which is being pickled, to the innermost collector.

    Returns:
        Whether there was one. Who pickled without a collector must keep the handle alive in some
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
