"""The shared list.

Idea: the core's type has the methods that must be one step. A method that compares values, which
only Python code can do, works on a snapshot. It changes the list only if the list still has the
version of the snapshot, and is repeated otherwise.

Layer: ipc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _core
from ._lock import owned_lock

if TYPE_CHECKING:
    from ..synchronize import RLock

T = TypeVar("T")


class List(_core.SharedList, MutableSequence[T]):
    """A list in shared memory, without a server: ``List([1, 2, 3])``.

    It has the interface of a list. Each method is atomic: other processes see all of its effect or
    nothing, also when the process is killed in it. Iteration is over a snapshot. Values are objects
    that can be pickled. Reading one returns a copy: to change it, set it again, holding the lock of
    `get_lock` if other processes change it too.

    `append`, ``pop()`` and access by index take constant time; a change in the middle takes a time
    that grows with the list. `sort`, `reverse` and `remove` are repeated when another process
    changes the list meanwhile.

    A list that contains itself, directly or through others, is freed only when the last process
    ends.

    Args:
        iterable: the first content.
    Raises:
        MemoryError: there is no room; nothing was changed.
    """

    __slots__ = ()

    def __init__(self, iterable: Iterable[T] = (), /) -> None:
        super().__init__()
        self.extend(iterable)

    # ----------------------------------------------------------------------------------- snapshots

    def copy(self) -> list[T]:
        """Return a list with the content at one moment."""
        items: list[T] = self._snapshot()[0]
        return items

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> list[T]:
        return self.copy()

    def __iter__(self) -> Iterator[T]:
        return iter(self.copy())

    def __reversed__(self) -> Iterator[T]:
        return reversed(self.copy())

    def __contains__(self, value: object) -> bool:
        return value in self.copy()

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the first position of *value*, between *start* and *stop*.

        Raises:
            ValueError: there is none.
        """
        items = self.copy()
        return items.index(value, start, len(items) if stop is None else stop)

    def count(self, value: Any) -> int:
        """Return how many items are equal to *value*."""
        return self.copy().count(value)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, list | List):
            return NotImplemented
        return self.copy() == list(other)

    __hash__ = None  # type: ignore[assignment]  # it can be changed, as a list

    def __lt__(self, other: list[T] | List[T]) -> bool:
        return self.copy() < list(other)

    def __le__(self, other: list[T] | List[T]) -> bool:
        return self.copy() <= list(other)

    def __gt__(self, other: list[T] | List[T]) -> bool:
        return self.copy() > list(other)

    def __ge__(self, other: list[T] | List[T]) -> bool:
        return self.copy() >= list(other)

    def __add__(self, other: Iterable[T]) -> list[T]:
        return self.copy() + list(other)

    def __radd__(self, other: Iterable[T]) -> list[T]:
        return list(other) + self.copy()

    def __mul__(self, times: int) -> list[T]:
        return self.copy() * times

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.copy()!r})"

    # ---------------------------------------------------- repeated until the version is unchanged

    def remove(self, value: Any) -> None:
        """Remove the first item that is equal to *value*.

        Raises:
            ValueError: there is none.
        """
        while True:
            items, version = self._snapshot()
            try:
                position = items.index(value)
            except ValueError:
                raise ValueError("list.remove(x): x not in list") from None
            if self._remove_at(position, version):
                return

    def sort(self, *, key: Callable[[T], Any] | None = None, reverse: bool = False) -> None:
        """Sort as `list.sort`; *key* may be called again when the list is changed meanwhile."""
        while True:
            items, version = self._snapshot()
            ranks = items if key is None else [key(item) for item in items]
            order = sorted(range(len(items)), key=ranks.__getitem__, reverse=reverse)
            if self._permute(order, version):
                return

    def reverse(self) -> None:
        """Reverse the order of the items."""
        while True:
            count, version = self._version()
            if self._permute(list(range(count - 1, -1, -1)), version):
                return

    def __imul__(self, times: int) -> List[T]:
        if times <= 0:
            self.clear()
        else:
            self.extend(self.copy() * (times - 1))
        return self

    def __iadd__(self, values: Iterable[T]) -> List[T]:
        self.extend(values)
        return self

    # ---------------------------------------------------------------------------------------- lock

    def get_lock(self) -> RLock:
        """Return the list's lock, for steps of several operations.

        ``with items.get_lock(): items[0] += 1``. It excludes only processes that acquire it too; no
        operation of the list acquires it.
        """
        return owned_lock(self)
