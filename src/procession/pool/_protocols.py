"""What the parts of a pool expect of each other: messages, kinds of results, jobs, channels.

Idea: the dispatcher knows jobs, channels and the table of cancelled tasks only by the methods
below. So it is the same for processes and for threads, and a test gives it channels that are lists.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Message = tuple[int, int, int, Any, BaseException | None]
"""The message's number in its channel, its two labels, the object, the error of unpickling it."""

# The second label of a result.
OK, FAILED, LOST, TIMED_OUT, CANCELLED, SETUP_FAILED = range(6)
RESULT_KINDS = 6

STOP = 0
"""In place of a function's number: the message ends the worker that gets it."""

NO_TASK = 2**64 - 1
"""In place of a task's number: the result is for no task, it only wakes the leader."""


class Job(Protocol):
    """One call of `apply`, `map` or `imap`: it collects the outcomes of its tasks.

    Attributes:
        name: of the function that it calls.
    """

    name: str

    def set_outcome(self, number: int, ok: bool, value: Any) -> None:
        """Task *number* has returned *value*, or has ended with that exception."""

    def resubmitted_as(self, old: int, new: int) -> None:
        """Task *old* was sent again; its number is *new* now."""

    def describe(self, number: int) -> str:
        """Return what task *number* is, for messages."""

    def pop_callback(self) -> Callable[[], object] | None:
        """Return what is to be called now that the job has got further; each once."""


class SingleTaskJob(Job, Protocol):
    """A job of one task."""

    number: int


class MultiTaskJob(Job, Protocol):
    """A job of several tasks, each for a range of the items."""

    def add_tasks(self, first: int, ranges: list[tuple[int, int]]) -> None:
        """Task *first* is for the first of *ranges* (start, end), the next for the second, ..."""


class CancellableJob(Job, Protocol):
    """A job whose tasks can be cancelled."""

    def set_cancelled(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled; *error* is its outcome."""


class UnsentJob(Job, Protocol):
    """A job some of whose items were not sent yet."""

    def give_up(self, error: BaseException) -> None:
        """Send no more items; *error* is the outcome of those that were not sent."""


class BackloggedJob(UnsentJob, Protocol):
    """A job that sends more items only when its results are taken."""

    def drain(self) -> None:
        """Send all items even if no caller takes the results. The dispatcher is not locked."""


class Channel(Protocol):
    """A channel of tasks or of results."""

    @property
    def got_count(self) -> int:
        """How many messages were received since the channel was made."""

    def send(self, obj: Any, label: int, extra: int, /) -> int:
        """Send a message; return its number."""

    def send_batch(
        self, items: list[Any], label: int, extra: int, /
    ) -> tuple[int, int, Exception | None]:
        """Send messages; return the first one's number, how many, and the error of the next one."""

    def qsize(self) -> int:
        """How many messages are in the channel."""

    def receive_batch(self, inbox: list[Message], limit: int, timeout: float | None, /) -> int:
        """Wait for a message, then append all that are there; queue.Empty when none came."""


class CancelTable(Protocol):
    """The tasks that a worker must not begin."""

    def add(self, number: int) -> bool:
        """Cancel a task; False when it runs and cannot be ended."""

    def remove(self, number: int) -> None:
        """Forget a task that has ended."""
