"""A queue behaves like a bounded deque, whatever the order of calls and whichever process calls."""

import queue as standard_queue
from collections import deque
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import procession
from tests.support.kill import Child

messages = (
    st.integers()
    | st.text(max_size=10)
    | st.sampled_from([0, 30, 2000, 2048, 2049, 5000, 70_000]).map(lambda size: b"x" * size)
    | st.tuples(st.integers(), st.sampled_from(["", "y" * 3000]))
)


class QueueBehavesLikeABoundedDeque(RuleBasedStateMachine):
    """The queue beside its model; a clone of the queue, through pickle, is the same queue."""

    @initialize(maxsize=st.sampled_from([0, 1, 2, 5, 100]))
    def make(self, maxsize: int) -> None:
        """Begin with an empty queue."""
        self.queue: Any = procession.Queue(maxsize)
        carrier: Any = procession.SimpleQueue()
        carrier.put(self.queue)
        self.clone: Any = carrier.get()
        self.model: deque[Any] = deque()
        self.maxsize = maxsize

    def is_full(self) -> bool:
        """Whether a put() would have to wait."""
        return bool(self.maxsize) and len(self.model) == self.maxsize

    @rule(message=messages, by_clone=st.booleans())
    def put(self, message: Any, by_clone: bool) -> None:
        """One message more, unless it is full."""
        queue = self.clone if by_clone else self.queue
        if self.is_full():
            with pytest.raises(standard_queue.Full):
                queue.put(message, block=False)
        else:
            queue.put_nowait(message)
            self.model.append(message)

    @rule(batch=st.lists(messages, min_size=5, max_size=60))
    def put_many(self, batch: list[Any]) -> None:
        """Enough to need new segments."""
        for message in batch:
            self.put(message, by_clone=False)

    @rule(by_clone=st.booleans())
    def get(self, by_clone: bool) -> None:
        """The oldest message, or Empty."""
        queue = self.clone if by_clone else self.queue
        if self.model:
            assert queue.get(timeout=1) == self.model.popleft()
        else:
            with pytest.raises(standard_queue.Empty):
                queue.get_nowait()

    @rule()
    def get_all(self) -> None:
        """To the last one."""
        while self.model:
            self.get(by_clone=False)

    @rule(message=messages)
    def put_in_a_child(self, message: Any) -> None:
        """Another process puts: it is seen here as soon as it has."""
        if not self.is_full():
            assert Child(lambda: self.queue.put(message)).wait() == 0
            self.model.append(message)

    @rule()
    def get_in_a_child(self) -> None:
        """Another process takes the oldest."""
        if self.model:
            expected = self.model.popleft()
            assert Child(lambda: self.check(self.queue.get(timeout=1), expected)).wait() == 0

    @staticmethod
    def check(got: Any, expected: Any) -> None:
        """In a child: what it got is what it was to get."""
        assert got == expected

    @rule(timeout=st.sampled_from([0, 0.0, 0.001, -1]))
    def wait_in_vain(self, timeout: float) -> None:
        """A time limit is kept when nothing comes, or no room."""
        if not self.model:
            with pytest.raises(standard_queue.Empty):
                self.queue.get(True, timeout)
        if self.is_full():
            with pytest.raises(standard_queue.Full):
                self.queue.put("x", True, timeout)

    @rule()
    def put_what_cannot_be_pickled(self) -> None:
        """It raises here, and changes nothing."""
        with pytest.raises((TypeError, AttributeError)):
            self.queue.put([1, (i for i in "generator")], block=False)

    @invariant()
    def says_what_it_is(self) -> None:
        """The size is exact, by whatever name it is asked for."""
        if not hasattr(self, "queue"):
            return
        for queue in (self.queue, self.clone):
            assert queue.qsize() == len(self.model)
            assert queue.empty() is (not self.model)
            assert queue.full() is self.is_full()


TestQueue = QueueBehavesLikeABoundedDeque.TestCase
TestQueue.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
