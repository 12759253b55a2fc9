"""Whatever is done to a shared mapping or list, it is what a dict or a list would be."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from procession.shared import Dict, List

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
)
KEYS = (
    st.integers(-3, 3)
    | st.booleans()
    | st.recursive(
        SCALARS,
        lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
        max_leaves=4,
    )
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.sampled_from(["x" * 3000, b"y" * 10_000])
INDICES = st.integers(-12, 12)
SLICES = st.slices(8) | st.builds(slice, INDICES, INDICES, st.sampled_from([None, 1, -1, 2, -2, 3]))


def done(work: Any) -> Any:
    """What *work* returns, or the type of what it raises."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever it is, both must raise the same
        return type(error)


class SharedDictIsADict(RuleBasedStateMachine):
    """The model is a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: Dict[Any, Any] = Dict()
        self.model: dict[Any, Any] = {}

    def both(self, use: Any) -> None:
        """Do the same to both; they must answer the same."""
        assert done(lambda: use(self.shared)) == done(lambda: use(self.model))

    @rule(key=KEYS, value=VALUES)
    def set(self, key: Any, value: Any) -> None:
        """Set."""
        self.both(lambda d: d.__setitem__(key, value))

    @rule(key=KEYS)
    def get(self, key: Any) -> None:
        """Get, each way."""
        self.both(lambda d: (d.get(key, 0), key in d, d[key]))

    @rule(key=KEYS)
    def delete(self, key: Any) -> None:
        """Delete."""
        self.both(lambda d: d.__delitem__(key))

    @rule(key=KEYS, value=VALUES)
    def pop(self, key: Any, value: Any) -> None:
        """Pop, and set what is missing."""
        self.both(lambda d: d.setdefault(key, value))
        self.both(lambda d: d.pop(key))

    @rule(key=KEYS, value=VALUES)
    def setdefault(self, key: Any, value: Any) -> None:
        """Set what is missing."""
        self.both(lambda d: d.setdefault(key, value))

    @rule(pairs=st.lists(st.tuples(KEYS, VALUES), max_size=12))
    def update(self, pairs: Any) -> None:
        """Set many."""
        self.both(lambda d: d.update(pairs))

    @rule(times=st.integers(1, 4))
    def popitem(self, times: int) -> None:
        """The last ones."""
        for _ in range(times):
            self.both(lambda d: d.popitem())

    @precondition(lambda self: len(self.model) > 5)
    @rule()
    def clear(self) -> None:
        """All."""
        self.both(lambda d: d.clear())

    @invariant()
    def same(self) -> None:
        """The same pairs in the same order."""
        assert list(self.shared.items()) == list(self.model.items())
        assert len(self.shared) == len(self.model)


class SharedListIsAList(RuleBasedStateMachine):
    """The model is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: List[Any] = List()
        self.model: list[Any] = []

    def both(self, use: Any) -> None:
        """Do the same to both; they must answer the same."""
        assert done(lambda: use(self.shared)) == done(lambda: use(self.model))

    @rule(value=VALUES)
    def append(self, value: Any) -> None:
        """One."""
        self.both(lambda items: items.append(value))

    @rule(values=st.lists(VALUES, max_size=8))
    def extend(self, values: Any) -> None:
        """Many."""
        self.both(lambda items: items.extend(values))

    @rule(index=INDICES, value=VALUES)
    def insert(self, index: int, value: Any) -> None:
        """One in the middle."""
        self.both(lambda items: items.insert(index, value))

    @rule(index=INDICES, value=VALUES)
    def set(self, index: int, value: Any) -> None:
        """One."""
        self.both(lambda items: (items.__setitem__(index, value), items[index]))

    @rule(index=INDICES)
    def take(self, index: int) -> None:
        """Pop, and delete."""
        self.both(lambda items: items.pop(index))
        self.both(lambda items: items.__delitem__(index))

    @rule(where=SLICES, values=st.lists(VALUES, max_size=8))
    def set_slice(self, where: slice, values: Any) -> None:
        """Any slice; those with a step refuse a wrong number."""
        self.both(lambda items: items.__setitem__(where, values))
        self.both(lambda items: items.__setitem__(where, values[: len(self.model[where])]))

    @rule(where=SLICES)
    def delete_slice(self, where: slice) -> None:
        """Any slice."""
        self.both(lambda items: (items[where], items.__delitem__(where)))

    @rule(value=VALUES)
    def remove(self, value: Any) -> None:
        """By value."""
        self.both(lambda items: (items.count(value), items.remove(value)))

    @rule(reverse=st.booleans())
    def sort(self, reverse: bool) -> None:
        """By something that all values have."""
        self.both(lambda items: items.sort(key=repr, reverse=reverse))
        self.both(lambda items: items.reverse())

    @precondition(lambda self: len(self.model) > 10)
    @rule()
    def clear(self) -> None:
        """All."""
        self.both(lambda items: items.clear())

    @invariant()
    def same(self) -> None:
        """The same values in the same order."""
        assert self.shared.copy() == self.model
        assert len(self.shared) == len(self.model)


TestDict = SharedDictIsADict.TestCase
TestList = SharedListIsAList.TestCase
TestDict.settings = TestList.settings = settings(
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
