"""The state machine of an imap's input: each event in each state, and what the state entails."""

import itertools
import threading
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from procession.pool._imap_input import (
    ABANDONED,
    DRAINING,
    INPUT_DONE,
    NEW,
    READING,
    UNREAD,
    ImapInput,
    InputState,
)

pytestmark = pytest.mark.bare


class Prefetch:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def more(self) -> None:
        self.told.append("more")

    def stop(self) -> None:
        self.told.append("stop")


class Dispatcher(SimpleNamespace):
    """Has the collections of jobs."""

    def __init__(self) -> None:
        super().__init__(
            lock=threading.RLock(), unsent_jobs=set(), backlogged_jobs=weakref.WeakSet()
        )


# The events that lead to a state from the first one.
PATHS: dict[InputState, tuple[str, ...]] = {
    NEW: (),
    UNREAD: ("start",),
    READING: ("start", "first_read"),
    DRAINING: ("start", "first_read", "drain"),
    ABANDONED: ("start", "first_read", "reader_gone"),
    INPUT_DONE: ("start", "end_input"),
}

# The state after an event, for the states that it changes.
NEXT: dict[str, dict[InputState, InputState]] = {
    "start": {NEW: UNREAD},
    "first_read": {UNREAD: READING},
    "reader_gone": {READING: ABANDONED},
    "drain": {UNREAD: DRAINING, READING: DRAINING},
    "end_input": dict.fromkeys(InputState, INPUT_DONE),
    "job_gone": {**dict.fromkeys(InputState, ABANDONED), INPUT_DONE: INPUT_DONE},
}

PAIRS = [
    pytest.param(state, event, id=f"{event}-{state.name}")
    for state, event in itertools.product(InputState, NEXT)
    if event != "start" or state is NEW
]


class Case:
    """An input in a given state."""

    def __init__(self, state: InputState):
        self.dispatcher: Any = Dispatcher()
        self.prefetch = Prefetch()
        self.input = ImapInput(self.dispatcher)
        for event in PATHS[state]:
            self.do(event)
        assert self.input.state is state
        self.prefetch.told.clear()

    def do(self, event: str) -> None:
        arguments = (self.prefetch,) if event == "start" else ()
        getattr(self.input, event)(*arguments)

    @property
    def is_unsent(self) -> bool:
        return self.input in self.dispatcher.unsent_jobs


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_each_event_leads_where_the_diagram_says(state: InputState, event: str) -> None:
    case = Case(state)

    case.do(event)

    assert case.input.state is NEXT[event].get(state, state)


@pytest.mark.parametrize("state", [state for state in InputState if state is not NEW])
def test_an_imap_starts_once(state: InputState) -> None:
    case = Case(state)
    with pytest.raises(AssertionError, match="starts once"):
        case.do("start")
    assert case.input.state is state


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_the_dispatcher_keeps_the_job_in_the_states_unread_and_draining(
    state: InputState, event: str
) -> None:
    """But for a job that is gone: nothing was keeping it."""
    case = Case(state)
    assert case.is_unsent == (state in (UNREAD, DRAINING))

    if event == "job_gone":
        case.dispatcher.unsent_jobs.clear()
    case.do(event)

    assert case.is_unsent == (case.input.state in (UNREAD, DRAINING))


@pytest.mark.parametrize("state", list(InputState))
def test_items_are_wanted_until_the_iterator_or_the_input_has_ended(state: InputState) -> None:
    assert state.wants_items == (state in (UNREAD, READING, DRAINING))


@pytest.mark.parametrize("state", list(InputState))
def test_a_started_job_is_drained_with_its_pool_unless_it_has_ended(state: InputState) -> None:
    case = Case(state)
    assert (case.input in case.dispatcher.backlogged_jobs) == (state is not NEW)

    case.do("drain")

    assert case.prefetch.told == (["more"] if state in (UNREAD, READING, DRAINING) else [])


@pytest.mark.parametrize("event", ["reader_gone", "end_input", "job_gone"])
def test_the_prefetch_is_woken_when_no_more_items_are_wanted(event: str) -> None:
    case = Case(READING)
    case.do(event)
    assert case.prefetch.told == ["stop"]
    assert not case.input.state.wants_items


def test_the_input_is_released_when_it_is_done() -> None:
    case = Case(READING)
    prefetch = weakref.ref(case.prefetch)
    del case.prefetch
    assert prefetch() is not None
    case.do("end_input")
    assert prefetch() is None


@pytest.mark.parametrize("event", ["reader_gone", "job_gone"])
def test_what_the_collector_does_takes_no_lock(event: str) -> None:
    """The collector may run in a thread that waits for what the owner of the lock will do."""
    case = Case(READING)
    with case.dispatcher.lock:
        other = threading.Thread(target=case.do, args=(event,))
        other.start()
        other.join(30)
        assert not other.is_alive()
    assert case.input.state is ABANDONED


def test_two_events_at_once_never_leave_an_ended_job_with_the_dispatcher() -> None:
    """A thread forgets the iterator while another joins the pool."""
    for _ in range(300):
        case = Case(READING)
        threads = [threading.Thread(target=case.do, args=(e,)) for e in ("drain", "reader_gone")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert case.input.state in (DRAINING, ABANDONED)
        assert case.is_unsent == (case.input.state is DRAINING)
