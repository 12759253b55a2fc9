"""What the dispatcher expects of its neighbours.

Idea: it knows channels, jobs and books of cancelled tasks by what they can do. So it is the same
for processes and for threads, and can be tested with neither.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Message = tuple[int, int, int, Any, BaseException | None]
"""Its number in its channel, its two tags, the object, and what went wrong with that."""


class Job(Protocol):
    """What the dispatcher needs of a job.

    Attributes:
        name: of the function that it calls.
    """

    name: str

    def take(self, number: int, ok: bool, value: Any) -> None:
        """Task *number* has ended with *value*, or with that exception."""

    def renumber(self, old: int, new: int) -> None:
        """Task *old* was sent again and is *new* now."""

    def describe(self, number: int) -> str:
        """What task *number* is, for messages."""

    def over(self) -> Callable[[], object] | None:
        """The callback to run, once, if the job is done and has one."""


class Channel(Protocol):
    """What the dispatcher needs of a channel."""

    @property
    def got_count(self) -> int:
        """How many messages were ever taken."""

    def put_tagged(self, obj: Any, tag: int, extra: int, /) -> int:
        """Put a message; its number."""

    def put_batch(
        self, items: list[Any], tag: int, extra: int, /
    ) -> tuple[int, int, Exception | None]:
        """Put messages; the first one's number, how many, and what the next one raised."""

    def qsize(self) -> int:
        """How many messages are there."""

    def receive_into(self, inbox: list[Message], limit: int, timeout: float | None, /) -> int:
        """Append what is there, after waiting for one; queue.Empty when none came."""


class Cancellations(Protocol):
    """The tasks that must not be begun."""

    def add(self, number: int) -> bool:
        """Cancel one; False: it was begun, and cannot be ended."""

    def settle(self, number: int) -> None:
        """It has ended."""


class Fed(Job, Protocol):
    """A job that goes out piece by piece."""

    def give_up(self, error: BaseException) -> None:
        """What has not gone out ends with *error*."""

    def finish(self) -> None:
        """All is to go out though nobody waits for it. Not locked."""


class Cancellable(Job, Protocol):
    """A job whose tasks can be cancelled."""

    def withdraw(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled, and has *error* for a result."""


class Single(Job, Protocol):
    """A job of one task."""

    number: int


class Placed(Job, Protocol):
    """A job of several tasks."""

    def place(self, first: int, pieces: list[tuple[int, int]]) -> None:
        """Say which task has which number."""
