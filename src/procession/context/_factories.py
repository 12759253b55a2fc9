"""The objects that a context makes: one method for each kind of object.

Idea: each method imports the module it needs when it is first called, so that ``import procession``
costs no more than the names.

Invariant: the objects do not depend on the start method. They get the context only because some
start processes themselves, and because programs ask for it.

Layer: context.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..connection import Connection
    from ..managers import SyncManager
    from ..pool import Pool
    from ..queues import JoinableQueue, Queue, SimpleQueue
    from ..synchronize import (
        Barrier,
        BoundedSemaphore,
        Condition,
        Event,
        Lock,
        OnOwnerDeath,
        RLock,
        Semaphore,
    )
    from ..synchronize import Lock as LockType
    from ..synchronize import RLock as RLockType


class Factories:
    """The objects that processes share, each with the documented arguments."""

    def get_context(self, method: str | None = None) -> Any:
        """Return the context that the objects get."""
        raise NotImplementedError

    def Manager(self) -> SyncManager:
        """Return a manager whose server process has been started."""
        from ..managers import SyncManager

        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pipe(self, duplex: bool = True) -> tuple[Connection, Connection]:
        """Return two connected connections; without *duplex* the first only receives."""
        from ..connection import Pipe

        return Pipe(duplex)

    def Lock(self, *, on_owner_death: OnOwnerDeath = "raise") -> Lock:
        """Return a lock.

        Args:
            on_owner_death: what an acquirer gets when the holder has died: "raise" for
                `BrokenLockError` until a process calls ``reset()``, "release" for the lock.
        """
        from ..synchronize import Lock

        return Lock(ctx=self.get_context(), on_owner_death=on_owner_death)

    def RLock(self, *, on_owner_death: OnOwnerDeath = "raise") -> RLock:
        """Return a lock that its owner may acquire again; *on_owner_death* as for `Lock`."""
        from ..synchronize import RLock

        return RLock(ctx=self.get_context(), on_owner_death=on_owner_death)

    def Condition(self, lock: LockType | RLockType | None = None) -> Condition:
        """Return a condition, over *lock* or a new RLock."""
        from ..synchronize import Condition

        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value: int = 1) -> Semaphore:
        """Return a semaphore with *value* permits."""
        from ..synchronize import Semaphore

        return Semaphore(value, ctx=self.get_context())

    def BoundedSemaphore(self, value: int = 1) -> BoundedSemaphore:
        """Return a semaphore that never has more than *value* permits."""
        from ..synchronize import BoundedSemaphore

        return BoundedSemaphore(value, ctx=self.get_context())

    def Event(self) -> Event:
        """Return an event, not set."""
        from ..synchronize import Event

        return Event(ctx=self.get_context())

    def Barrier(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> Barrier:
        """Return a barrier for *parties* processes; one of them calls *action* each time."""
        from ..synchronize import Barrier

        return Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize: int = 0) -> Queue:
        """Return a queue of at most *maxsize* items; 0 for as many as memory holds."""
        from ..queues import Queue

        return Queue(maxsize, ctx=self.get_context())

    def JoinableQueue(self, maxsize: int = 0) -> JoinableQueue:
        """Return a queue whose ``join()`` waits until all its items are processed."""
        from ..queues import JoinableQueue

        return JoinableQueue(maxsize, ctx=self.get_context())

    def SimpleQueue(self) -> SimpleQueue:
        """Return a queue with the few methods of a pipe."""
        from ..queues import SimpleQueue

        return SimpleQueue(ctx=self.get_context())

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        **more: Any,
    ) -> Pool:
        """Return a pool of worker processes; *more* are options of this package's pool alone."""
        from ..pool import Pool

        context = self.get_context()
        return Pool(processes, initializer, initargs, maxtasksperchild, context=context, **more)

    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:
        """Return a ctypes object in shared memory."""
        from ..sharedctypes import RawValue

        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type: Any, size_or_initializer: Any) -> Any:
        """Return a ctypes array in shared memory."""
        from ..sharedctypes import RawArray

        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:
        """Return a ctypes object in shared memory, with a lock unless *lock* is False."""
        from ..sharedctypes import Value

        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(self, typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True) -> Any:
        """Return a ctypes array in shared memory, with a lock unless *lock* is False."""
        from ..sharedctypes import Array

        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())
