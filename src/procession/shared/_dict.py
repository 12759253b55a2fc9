"""The shared mapping.

Idea: the core's type has the methods that must be one step. This class adds the other methods of a
mapping. They work on snapshots, each of which shows the mapping at one moment.

Layer: ipc.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _core
from ._lock import owned_lock

if TYPE_CHECKING:
    from ..synchronize import RLock

K = TypeVar("K")
V = TypeVar("V")

_KEYS, _VALUES, _PAIRS = 1, 2, 3  # parts of a snapshot


def _encode_key() -> Callable[[object], bytes]:
    from ._keys import encode  # most keys are simple: the core encodes them itself

    return encode


_core.set_hooks(encode_key=_encode_key)


class Dict(_core.SharedDict, MutableMapping[K, V]):
    """A mapping in shared memory, without a server: ``Dict({"a": 1}, b=2)``.

    It has the interface and the order of a dict. Each method is atomic: other processes see all of
    its effect or nothing, also when the process is killed in it. Iteration is over a snapshot.
    Values are objects that can be pickled. Reading one returns a copy: to change it, set it again,
    holding the lock of `get_lock` if other processes change it too.

    Keys must be hashable. They are equal if they are equal plain values (None, bool, int, float,
    str, bytes, and tuples and frozen sets of keys), or objects of one type that pickle alike. NaN
    is one key. Shared objects can be values, not keys.

    A mapping that contains itself, directly or through others, is freed only when the last process
    ends.

    Args:
        mapping_or_pairs: the first content: a mapping, or an iterable of pairs.
        kwargs: further keys.
    Raises:
        TypeError: a key cannot be hashed.
        MemoryError: there is no room; nothing was changed.
    """

    __slots__ = ()

    def __init__(
        self, mapping_or_pairs: Mapping[K, V] | Iterable[tuple[K, V]] = (), /, **kwargs: V
    ) -> None:
        super().__init__()
        if mapping_or_pairs or kwargs:
            self.update(mapping_or_pairs, **kwargs)

    @classmethod
    def fromkeys(cls, keys: Iterable[K], value: Any = None) -> Dict[K, Any]:
        """Return a new mapping of these keys, all with *value*."""
        return cls((key, value) for key in keys)

    # -------------------------------------------------------------------------------- many at once

    def update(self, mapping_or_pairs: Any = (), /, **kwargs: V) -> None:
        """Set all these keys in one step: other processes see all of them or none.

        A key that is equal to a new one but not the same (True and 1) is replaced by the new one.
        """
        pairs = _pairs(mapping_or_pairs)
        pairs.extend(kwargs.items())
        if pairs:
            self._update(pairs)

    def __ior__(self, other: Any) -> Dict[K, V]:  # type: ignore[misc]  # a mapping or pairs, as dict
        self.update(other)
        return self

    def __or__(self, other: Mapping[K, V]) -> dict[K, V]:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.copy() | dict(other)

    def __ror__(self, other: Mapping[K, V]) -> dict[K, V]:
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(other) | self.copy()

    def get_or_set(self, key: K, default: V | Callable[[], V]) -> V:
        """Return the value of *key*; if the key is missing, set it to *default* before.

        Args:
            default: the value, or a function without arguments that returns it; it is called only
                when the key is missing. If another process sets the key meanwhile, the result is
                the value that the other process has set. (To set a function, use `setdefault`.)
        """
        try:
            return self[key]  # type: ignore[no-any-return]
        except KeyError:
            value = default() if callable(default) else default
        return self.setdefault(key, value)  # type: ignore[no-any-return]

    # ----------------------------------------------------------------------------------- snapshots

    def copy(self) -> dict[K, V]:
        """Return a dict with the content at one moment."""
        return dict(self._snapshot(_PAIRS))

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> dict[K, V]:
        return self.copy()

    def __iter__(self) -> Iterator[K]:
        return iter(self._snapshot(_KEYS))

    def __reversed__(self) -> Iterator[K]:
        keys: list[K] = self._snapshot(_KEYS)
        return reversed(keys)

    def keys(self) -> KeysView[K]:
        """Return a view of the keys; each iteration over it is over a snapshot."""
        return KeysView(self)

    def values(self) -> ValuesView[V]:
        """Return a view of the values; each iteration over it is over a snapshot."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """Return a view of the pairs; each iteration over it is over a snapshot."""
        return _Items(self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.copy() == dict(other.items())

    __hash__ = None  # type: ignore[assignment]  # it can be changed, as a dict

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.copy()!r})"

    # ---------------------------------------------------------------------------------------- lock

    def get_lock(self) -> RLock:
        """Return the mapping's lock, for steps of several operations.

        ``with d.get_lock(): d[key] += 1``. It excludes only processes that acquire it too; no
        operation of the mapping acquires it.
        """
        return owned_lock(self)


def _pairs(source: Any) -> list[tuple[Any, Any]]:
    """Return the pairs of *source*, which is an argument of ``dict.update``."""
    if isinstance(source, Dict):
        return source._snapshot(_PAIRS)
    if isinstance(source, dict):
        return list(source.items())
    if hasattr(source, "keys"):
        return [(key, source[key]) for key in source.keys()]  # noqa: SIM118 - as dict.update asks
    return [(key, value) for key, value in source]


class _Values(ValuesView[V]):
    """The values; each iteration is over one snapshot."""

    __slots__ = ()
    _mapping: Dict[Any, V]

    def __iter__(self) -> Iterator[V]:
        return iter(self._mapping._snapshot(_VALUES))

    def __reversed__(self) -> Iterator[V]:
        values: list[V] = self._mapping._snapshot(_VALUES)
        return reversed(values)

    def __contains__(self, value: object) -> bool:
        return value in self._mapping._snapshot(_VALUES)


class _Items(ItemsView[K, V]):
    """The pairs; each iteration is over one snapshot."""

    __slots__ = ()
    _mapping: Dict[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self._mapping._snapshot(_PAIRS))

    def __reversed__(self) -> Iterator[tuple[K, V]]:
        pairs: list[tuple[K, V]] = self._mapping._snapshot(_PAIRS)
        return reversed(pairs)
