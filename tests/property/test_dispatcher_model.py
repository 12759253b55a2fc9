"""The dispatcher against a model: each task is told exactly one end, whatever the workers do.

The channels are lists and the workers are rules, so that each order of events can happen: results
late, twice, after a loss; losses after a result; cancelling at any moment.
"""

from collections import deque
from queue import Empty
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import procession
from procession.pool import _worker
from procession.pool._dispatcher import Dispatcher
from procession.pool._results import ApplyResult, MapResult

pytestmark = pytest.mark.bare

A_LOSS = ("a worker was killed", 4711, -9, "")


class Line:
    """A channel of one process."""

    def __init__(self) -> None:
        self.messages: deque[Any] = deque()
        self.put_count = self.got_count = 0

    def put_tagged(self, obj: Any, tag: int, extra: int) -> int:
        if obj == "cannot be sent":
            raise TypeError(obj)
        self.messages.append((self.put_count, tag, extra, obj, None))
        self.put_count += 1
        return self.put_count - 1

    def put_batch(
        self, items: list[Any], tag: int, extra: int
    ) -> tuple[int, int, Exception | None]:
        first = self.put_count
        for count, item in enumerate(items):
            try:
                self.put_tagged(item, tag, extra)
            except TypeError as error:
                return first, count, error
        return first, len(items), None

    def receive_into(self, inbox: list[Any], limit: int, timeout: float | None) -> int:
        if not self.messages:
            raise Empty
        inbox.append(self.take())
        return 1

    def take(self) -> Any:
        self.got_count += 1
        return self.messages.popleft()

    def qsize(self) -> int:
        return len(self.messages)


class Book:
    """The cancelled tasks."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def add(self, number: int) -> bool:
        self.numbers.add(number)
        return True

    def settle(self, number: int) -> None:
        self.numbers.discard(number)


class Program:
    serial, offset, name = 7, 0, "task"


class DispatcherTellsEachEndOnce(RuleBasedStateMachine):
    """Jobs, what they were told, and what the workers hold."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.tasks, self.results, self.book = Line(), Line(), Book()
        self.dispatcher = Dispatcher(self.tasks, self.results)
        self.dispatcher.cancelled = self.book
        self.interrupted: set[int] = set()
        self.dispatcher.interrupt = self.interrupted.update
        self.held: dict[int, Any] = {}  # by number: what a worker has taken
        self.told: dict[Any, list[Any]] = {}
        self.runs: dict[Any, int] = {}
        self.names = 0

    # ---------------------------------------------------------------------------------- the caller

    @rule(target=jobs, retries=st.integers(0, 2))
    def apply(self, retries: int) -> Any:
        ends: list[Any] = []
        job = ApplyResult(self.dispatcher, "task", ends.append, ends.append)
        self.names += 1
        with self.dispatcher.lock:
            self.dispatcher.send_one(job, Program(), (self.names, 0, retries), retries)
        self.told[job] = ends
        return job

    @rule(target=jobs, sizes=st.lists(st.integers(1, 3), max_size=4), bad=st.booleans())
    def map(self, sizes: list[int], bad: bool) -> Any:
        ends: list[Any] = []
        tasks: list[Any] = []
        pieces, start = [], 0
        self.names += 1
        for size in sizes:
            pieces.append((start, start + size))
            tasks.append((self.names, start, 0))
            start += size
        if bad and tasks:
            tasks[0] = "cannot be sent"
        job = MapResult(self.dispatcher, "task", start, ends.append, ends.append)
        self.told[job] = ends
        with self.dispatcher.lock:
            self.dispatcher.send(job, Program(), tasks, pieces)
        return job

    @rule(job=jobs)
    def cancel(self, job: Any) -> None:
        before = job.ready()
        open_tasks = [] if before else job._open_numbers()
        done = job.cancel()
        assert done == (not before)
        assert job.ready()
        assert job.cancelled() or before
        assert set(open_tasks) <= self.book.numbers | self.interrupted

    @rule()
    def receive(self) -> None:
        self.dispatcher.receive_what_is_there()

    # ---------------------------------------------------------------------------------- the workers

    @rule()
    def take(self) -> None:
        if not self.tasks.messages:
            return
        number, _, _, task, _ = self.tasks.take()
        if number in self.book.numbers:
            self.results.put_tagged(None, number, _worker.CANCELLED)
        else:
            self.held[number] = task
            self.runs[task] = self.runs.get(task, 0) + 1

    def _one_held(self, data: Any) -> int | None:
        return data.draw(st.sampled_from(sorted(self.held))) if self.held else None

    @rule(data=st.data(), kind=st.sampled_from([_worker.OK, _worker.FAILED]), dies=st.booleans())
    def answer(self, data: Any, kind: int, dies: bool) -> None:
        number = self._one_held(data)
        if number is None:
            return
        del self.held[number]
        value = ["value"] * 3 if kind == _worker.OK else ValueError("its own")
        self.results.put_tagged(value, number, kind)
        if dies:  # behind its answer, before it has taken another task
            self.results.put_tagged(A_LOSS, number, _worker.LOST)

    @rule(data=st.data(), kind=st.sampled_from([_worker.LOST, _worker.TIMED_OUT]))
    def die(self, data: Any, kind: int) -> None:
        number = self._one_held(data)
        if number is not None:
            del self.held[number]
            said = A_LOSS if kind == _worker.LOST else "took longer"
            self.results.put_tagged(said, number, kind)

    # -------------------------------------------------------------------------------------- claims

    @invariant()
    def nobody_is_told_twice(self) -> None:
        for job, ends in self.told.items():
            assert len(ends) <= 1
            assert not ends or job._done

    @invariant()
    def no_task_runs_more_often_than_agreed(self) -> None:
        for (_, _, retries), runs in self.runs.items():
            assert runs <= 1 + retries

    @invariant()
    def only_what_is_on_its_way_is_on_the_list_of_cancelled_tasks(self) -> None:
        assert self.book.numbers == self.dispatcher._withdrawn

    def teardown(self) -> None:
        """Let the workers finish: then everything has ended, in one of the ways there are."""
        while self.tasks.messages or self.results.messages or self.held:
            self.take()
            for number in list(self.held):
                del self.held[number]
                self.results.put_tagged(["value"] * 3, number, _worker.OK)
            self.receive()
        assert self.dispatcher.is_idle()
        assert not self.book.numbers
        assert not self.dispatcher._copies
        for job, ends in self.told.items():
            assert job.ready()
            if not isinstance(job, MapResult) or job._results:
                assert len(ends) == 1
            if not job.successful():
                kinds = (ValueError, TypeError, procession.ProcessError)
                assert job.cancelled() or isinstance(job._value, kinds)


TestDispatcher = DispatcherTellsEachEndOnce.TestCase
TestDispatcher.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
