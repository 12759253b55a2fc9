"""What a timeout may be: one rule for every public call that waits."""

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from procession import connection
from procession._base.deadline import Deadline, seconds_of
from tests.support.waiting_calls import (
    BROKEN_BY_A_TIMEOUT,
    CONTEXT,
    NOT_IN_TIME,
    ROWS,
    Call,
    Stage,
    acquiring,
)

# The callers are threads, and managers and pools are forked beside those that still end.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture(scope="module", autouse=True)
def first_use() -> None:
    """What the first listener of a process opens for good is there before the tests."""
    connection.Listener(authkey=b"key").close()


class Caller(threading.Thread):
    """A thread that makes one call; `outcome` is what the call returned or raised."""

    def __init__(self, call: Call, timeout: Any) -> None:
        super().__init__(daemon=True)
        self._call, self._timeout = call, timeout
        self.outcome: Any = None
        self.begun = threading.Event()
        self.start()

    def run(self) -> None:
        self.begun.set()
        try:
            self.outcome = self._call(self._timeout)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.outcome = error


ERRORS = [
    (float("nan"), ValueError, "timeout must be a number of seconds, not NaN"),
    ("5", TypeError, "timeout must be a number of seconds, not str"),
    (b"5", TypeError, "timeout must be a number of seconds, not bytes"),
    ([1], TypeError, "timeout must be a number of seconds, not list"),
    (1j, TypeError, "timeout must be a number of seconds, not complex"),
]


@pytest.mark.parametrize("name", ROWS)
def test_what_is_no_number_is_an_error(name: str) -> None:
    """At once, and whatever the state of what would be waited for."""
    with Stage() as stage:
        call, end = ROWS[name](stage)
        for timeout, kind, words in ERRORS:
            with pytest.raises(kind, match=words):
                call(timeout)
        end_in_thread(call, end)


def end_in_thread(call: Call, end: Callable[[], object], timeout: Any = None) -> Any:
    """End the waiting of a call without a limit; return its outcome."""
    caller = Caller(call, timeout)
    caller.begun.wait()
    end()
    caller.join(15)
    assert not caller.is_alive()
    return caller.outcome


@pytest.mark.parametrize("name", ROWS)
def test_what_is_negative_is_no_time(name: str) -> None:
    """The call looks, and does not wait."""
    for timeout in (0, -1e-9, -1.5, -(10**400), float("-inf"), Fraction(-1, 2)):
        with Stage() as stage:
            call, end = ROWS[name](stage)
            caller = Caller(call, timeout)
            caller.join(15)
            ended = not caller.is_alive()
            if name not in BROKEN_BY_A_TIMEOUT:
                end_in_thread(call, end)

        assert ended, timeout
        assert not caller.outcome or isinstance(caller.outcome, NOT_IN_TIME), caller.outcome


@pytest.mark.parametrize("name", ROWS)
def test_what_is_longer_than_any_program_is_for_ever(name: str) -> None:
    """The call waits until there is what it waits for."""
    for timeout in (float("inf"), 1e300, 10**400, 1e9):
        with Stage() as stage:
            outcome = end_in_thread(*ROWS[name](stage), timeout)

        assert not isinstance(outcome, Exception), (timeout, outcome)
        assert outcome is not False, timeout
        assert outcome != [], timeout


@pytest.mark.parametrize("timeout", [20, 20.0, Fraction(41, 2), True + 19])
def test_numbers_of_any_type_are_seconds(timeout: Any) -> None:
    """In Python and in the core."""
    assert 15 < (Deadline(timeout).remaining() or 0) <= timeout
    event = CONTEXT.Event()
    event.set()
    assert event.wait(timeout)


def test_seconds_of_a_timeout() -> None:
    """The rule itself."""
    assert [seconds_of(t) for t in (None, float("inf"), 1e9, 10**400)] == [None] * 4
    assert [seconds_of(t) for t in (-1, -0.0, 0, float("-inf"), -(10**400))] == [0.0] * 5
    assert seconds_of(Fraction(1, 2)) == 0.5


def test_a_result_that_is_there_does_not_excuse_a_wrong_timeout() -> None:
    """A program's fault shows when it is first run, not when it has to wait for the first time."""
    process = CONTEXT.Process(target=int)
    process.start()
    process.join()
    with Stage() as stage:
        result = stage.pool.apply_async(int)
        result.wait()
        for call in (process.join, result.get, result.wait):
            with pytest.raises(TypeError, match="a number of seconds, not str"):
                call("5")


def test_a_managed_lock_knows_its_own_no_limit() -> None:
    """-1, as documented for `threading.Lock`; a semaphore has no such value."""
    with Stage() as stage:
        assert end_in_thread(*acquiring(stage.manager.Lock()), -1) is True
        assert stage.manager.Semaphore(0).acquire(True, -1) is False
