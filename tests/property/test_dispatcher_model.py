"""The dispatcher against a model: each task is told exactly one end, whatever the workers do.

The channels are lists and the workers are rules, so that each order of events can happen: results
that come late, twice, after a loss; losses after a result; cancelling at any moment.
"""

from collections import deque
from queue import Empty
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import procession
from procession.pool._dispatcher import Dispatcher
from procession.pool._protocols import CANCELLED, FAILED, LOST, OK, TIMED_OUT
from procession.pool._results import ApplyResult, MapResult

pytestmark = pytest.mark.bare

A_LOSS = ("a worker was killed", 4711, -9, "")


class ListChannel:
    """A channel of one process."""

    def __init__(self) -> None:
        self.messages: deque[Any] = deque()
        self.put_count = self.got_count = 0

    def send(self, obj: Any, tag: int, extra: int) -> int:
        if obj == "cannot be sent":
            raise TypeError(obj)
        self.messages.append((self.put_count, tag, extra, obj, None))
        self.put_count += 1
        return self.put_count - 1

    def send_batch(
        self, items: list[Any], tag: int, extra: int
    ) -> tuple[int, int, Exception | None]:
        first = self.put_count
        for count, item in enumerate(items):
            try:
                self.send(item, tag, extra)
            except TypeError as error:
                return first, count, error
        return first, len(items), None

    def receive_batch(self, inbox: list[Any], limit: int, timeout: float | None) -> int:
        if not self.messages:
            raise Empty
        inbox.append(self.get())
        return 1

    def get(self) -> Any:
        self.got_count += 1
        return self.messages.popleft()

    def qsize(self) -> int:
        return len(self.messages)


class CancelTable:
    """The cancelled tasks."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def add(self, number: int) -> bool:
        self.numbers.add(number)
        return True

    def remove(self, number: int) -> None:
        self.numbers.discard(number)


class Function:
    serial, offset, name = 7, 0, "task"


class DispatcherTellsEachEndOnce(RuleBasedStateMachine):
    """Jobs, what they were told, and which tasks the workers have."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.tasks, self.results, self.table = ListChannel(), ListChannel(), CancelTable()
        self.dispatcher = Dispatcher(self.tasks, self.results)
        self.dispatcher.cancel_table = self.table
        self.ended: set[int] = set()
        self.dispatcher.cancel_running = self.ended.update
        self.running: dict[int, Any] = {}  # by number: the tasks that workers have received
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
            self.dispatcher.send_one(job, Function(), (self.names, 0, retries), retries)
        self.told[job] = ends
        return job

    @rule(target=jobs, sizes=st.lists(st.integers(1, 3), max_size=4), bad=st.booleans())
    def map(self, sizes: list[int], bad: bool) -> Any:
        ends: list[Any] = []
        tasks: list[Any] = []
        ranges, start = [], 0
        self.names += 1
        for size in sizes:
            ranges.append((start, start + size))
            tasks.append((self.names, start, 0))
            start += size
        if bad and tasks:
            tasks[0] = "cannot be sent"
        job = MapResult(self.dispatcher, "task", start, ends.append, ends.append)
        self.told[job] = ends
        with self.dispatcher.lock:
            self.dispatcher.send(job, Function(), tasks, ranges)
        return job

    @rule(job=jobs)
    def cancel(self, job: Any) -> None:
        before = job.ready()
        open_tasks = [] if before else job._open_numbers()
        done = job.cancel()
        assert done == (not before)
        assert job.ready()
        assert job.cancelled() or before
        assert set(open_tasks) <= self.table.numbers | self.ended

    @rule()
    def receive(self) -> None:
        self.dispatcher.receive_available()

    # ---------------------------------------------------------------------------------- the workers

    @rule()
    def get_task(self) -> None:
        if not self.tasks.messages:
            return
        number, _, _, task, _ = self.tasks.get()
        if number in self.table.numbers:
            self.results.send(None, number, CANCELLED)
        else:
            self.running[number] = task
            self.runs[task] = self.runs.get(task, 0) + 1

    def _one_running(self, data: Any) -> int | None:
        return data.draw(st.sampled_from(sorted(self.running))) if self.running else None

    @rule(data=st.data(), kind=st.sampled_from([OK, FAILED]), dies=st.booleans())
    def put_result(self, data: Any, kind: int, dies: bool) -> None:
        number = self._one_running(data)
        if number is None:
            return
        del self.running[number]
        value = ["value"] * 3 if kind == OK else ValueError("its own")
        self.results.send(value, number, kind)
        if dies:  # after its result, before it has received another task
            self.results.send(A_LOSS, number, LOST)

    @rule(data=st.data(), kind=st.sampled_from([LOST, TIMED_OUT]))
    def die(self, data: Any, kind: int) -> None:
        number = self._one_running(data)
        if number is not None:
            del self.running[number]
            said = A_LOSS if kind == LOST else "took longer"
            self.results.send(said, number, kind)

    # -------------------------------------------------------------------------------------- claims

    @invariant()
    def no_job_is_told_twice(self) -> None:
        for job, ends in self.told.items():
            assert len(ends) <= 1
            assert not ends or job._done

    @invariant()
    def no_task_runs_more_often_than_its_retries_allow(self) -> None:
        for (_, _, retries), runs in self.runs.items():
            assert runs <= 1 + retries

    @invariant()
    def the_table_has_the_cancelled_tasks_that_have_not_ended(self) -> None:
        assert self.table.numbers == self.dispatcher._cancelled_unfinished

    def teardown(self) -> None:
        """Let the workers finish: then everything has ended, in one of the ways there are."""
        while self.tasks.messages or self.results.messages or self.running:
            self.get_task()
            for number in list(self.running):
                del self.running[number]
                self.results.send(["value"] * 3, number, OK)
            self.receive()
        assert self.dispatcher.is_idle()
        assert not self.table.numbers
        assert not self.dispatcher._retries
        for job, ends in self.told.items():
            assert job.ready()
            if not isinstance(job, MapResult) or job._results:
                assert len(ends) == 1
            if not job.successful():
                kinds = (ValueError, TypeError, procession.ProcessError)
                assert job.cancelled() or isinstance(job._value, kinds)


TestDispatcher = DispatcherTellsEachEndOnce.TestCase
TestDispatcher.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
