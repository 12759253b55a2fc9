"""The queues.

Idea: a queue is a channel of the native core; ``put`` and ``get`` are its methods, without a Python
frame in between. There is no feeder thread: when ``put`` returns, the item is in shared memory and
every process sees it, even if the process that put it is killed. So there is nothing to flush,
``put`` and then ``join`` cannot dead-lock, and what cannot be pickled raises in ``put``.

Invariant: each item is returned by exactly one ``get``; ``qsize`` is the number of items that were
put and not taken. (A process that is killed in ``get`` may have taken one item, in ``get_many`` one
batch.)

Layer: ipc.
"""

from __future__ import annotations

import queue
from types import GenericAlias

from .. import _core
from .._pickling import core_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from ..context import BaseContext
    from ..synchronize import Lock
    from ._ends import ReadEnd, WriteEnd

core_hooks.give()
core_hooks.load_queue_errors()


class _End:
    """An attribute that is made at each access, and that an instance may replace.

    Libraries use the standard package's private ``_reader`` and ``_writer``, and some replace them
    by objects of their own. The value is not kept: a queue and its end would be a cycle.
    """

    def __init__(self, name: str):
        self._name = name

    def __get__(self, queue: _BaseQueue | None, owner: type) -> Any:
        if queue is None:
            return self
        from . import _ends  # on first use: few programs need it

        return getattr(_ends, self._name)(queue)


class _BaseQueue(_core.Channel):
    """What all queues have in common, besides the methods of the channel.

    ``put_many(items, block=True, timeout=None)`` puts many with one round of the lock and returns
    how many there was room for in time; it raises, and nothing is put, when one of them cannot be
    pickled. ``get_many(limit, block=True, timeout=None)`` waits for one item and returns a list of
    what is there, at most *limit*. ``shutdown(immediate=False)`` ends the queue for all processes,
    as `queue.Queue.shutdown` does for threads: ``put`` raises `queue.ShutDown` (of this module,
    where the interpreter has none), and so does ``get`` once nothing is left; *immediate* discards
    the items that are there.
    """

    def __getstate__(self) -> Any:
        """Return (): a queue is pickled as a reference. Subclasses return a state of their own."""
        return ()

    def __setstate__(self, state: Any) -> None:
        """Do nothing; a subclass sets the state that its ``__getstate__`` returned."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        reference = super().__reduce_ex__(protocol)
        cls = type(self)
        if (
            cls.__getstate__ is _BaseQueue.__getstate__
            and cls.__setstate__ is _BaseQueue.__setstate__
        ):
            return reference
        return (*reference, self.__getstate__())

    _reader: ReadEnd | _End = _End("ReadEnd")
    _writer: WriteEnd | _End = _End("WriteEnd")

    async def aget(self) -> Any:
        """Return the next item; other tasks of the running event loop go on until there is one.

        No thread is used. A call that is cancelled has taken no item.

        Raises:
            queue.ShutDown: the queue was shut down, and nothing is left.
            ValueError: this process has called ``close``.
        """
        from ._loop import get

        return await get(self)

    async def aput(self, obj: Any) -> None:
        """Put *obj*; other tasks of the running event loop go on until there is room.

        Raises: as ``put``, but never `queue.Full`.
        """
        from ._loop import put

        await put(self, obj)

    def iter_until_closed(self) -> Iterator[Any]:
        """Yield items as they come, until the queue is shut down and nothing is left.

        It also ends when this process has called ``close``.
        """
        from .._base.queue_shutdown import ShutDown

        while not self.closed:
            try:
                item = self.get()
            except ShutDown:
                return
            yield item

    @property
    def _wait_channel(self) -> Self:
        """The channel that `connection.wait` watches."""
        if self.closed:
            raise OSError(f"{self!r} is closed")
        return self

    @property
    def _rlock(self) -> Lock:
        return self._owned_lock(0)

    @property
    def _wlock(self) -> Lock:
        return self._owned_lock(1)

    def _owned_lock(self, side: int) -> Lock:
        # Libraries acquire these locks. No put() or get() does, so they exclude only each other.
        from ..synchronize import Lock

        offset, serial = self.owned_lock(side)
        return _core._attach(Lock, _core.family_id(), offset, serial)

    def _poll(self, timeout: float | None = 0.0) -> bool:
        return bool(self._reader.poll(timeout))


class Queue(_BaseQueue):
    """A first-in, first-out queue for any number of processes and threads at both ends.

    ``put(obj, block=True, timeout=None)`` raises `queue.Full` when there was no room within
    *timeout* seconds, ``get(block=True, timeout=None)`` `queue.Empty` when nothing came; both raise
    ValueError once this process has called ``close``. A queue can be sent through queues and
    pipes, as an argument of a process or of a pool's task, at any time.

    Args:
        maxsize: the most items at a time; 0 or less: as many as memory holds.
        ctx: accepted as in the standard library; nothing depends on it.
    """

    _ignore_epipe = False  # set by concurrent.futures; there is no pipe here that could break

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext | None = None):
        super().__init__(maxsize)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # In concurrent.futures such a method handles errors of the feeder; here put() raises them.
        super().__init_subclass__(**kwargs)
        if "_on_queue_feeder_error" in vars(cls) and "put" not in vars(cls):
            cls.put = _reporting_errors(cls.put)  # type: ignore[method-assign]

    def get_nowait(self) -> Any:
        """``get(block=False)``."""
        return self.get(False)

    def put_nowait(self, obj: Any) -> None:
        """``put(obj, block=False)``."""
        self.put(obj, False)

    def join_thread(self) -> None:
        """Do nothing, as there is no thread: what was put has arrived.

        Raises:
            AssertionError: ``close`` was not called before, as in the standard library.
        """
        if not self.closed:
            raise AssertionError(f"Queue {self!r} not closed")

    def cancel_join_thread(self) -> None:
        """Do nothing: the end of a process never waits for its queues."""

    @property
    def _maxsize(self) -> int:
        return self.maxsize

    @property
    def _closed(self) -> bool:
        return self.closed

    def _terminate_broken(self) -> None:
        self.close()

    __class_getitem__: Any = classmethod(GenericAlias)


def _reporting_errors(put: Callable[..., None]) -> Callable[..., None]:
    """Return a ``put`` that calls the class's method for the errors of pickling."""

    def wrapped(self: Any, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        if self.closed:
            raise ValueError(f"Queue {self!r} is closed")
        try:
            put(self, obj, block, timeout)
        except queue.Full:
            raise
        except Exception as error:  # noqa: BLE001  the method of the class handles all of them
            self._on_queue_feeder_error(error, obj)

    return wrapped


class JoinableQueue(Queue):
    """A `Queue` whose ``join`` waits until all items that were put have been processed.

    ``task_done()`` reports that one item was processed; it raises ValueError when it is called more
    often than ``put``.
    """

    def join(self) -> None:
        """Wait until ``task_done`` was called once for each item put."""
        self.wait_done(None)


class SimpleQueue(_BaseQueue):
    """A queue with ``put(obj)``, ``get()``, ``empty()`` and ``close()``, without bound.

    Args:
        ctx: accepted as in the standard library; nothing depends on it.
    """

    def __init__(self, *, ctx: BaseContext | None = None):
        super().__init__(0)

    def empty(self) -> bool:
        """Return whether there is nothing to get.

        Raises:
            OSError: this process has called ``close``.
        """
        if self.closed:
            raise OSError(f"{self!r} is closed")
        return super().empty()

    __class_getitem__: Any = classmethod(GenericAlias)
