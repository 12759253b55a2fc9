"""A map that is fed: its items go out as those before come back.

Idea: somebody waits for the whole map, and so receives; each result that comes tells how long it
took, and lets the next piece go out, cut by that (see `chunks.Plan`).

Invariant: while items have not gone out, at least one task is under way, or the job is in the
dispatcher's `fed`; so it is not taken for idle, and comes to its end when the pool does.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._chunking import Plan
from ._progress import both
from ._results import MapResult

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher
    from ._functions import Program


class FedMapResult(MapResult):
    """The results of a map that somebody waits for.

    Args:
        dispatcher: who sends and receives.
        program: what the tasks are for; its values end with the nanoseconds that they took.
        items: the input.
        workers: how many there are.
        retries: how often a task runs again that was lost.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        program: Program,
        items: Sequence[Any],
        workers: int,
        retries: int,
    ):
        super().__init__(dispatcher, program.name, len(items))
        self._program, self._items, self._retries = program, items, retries
        self._plan = Plan(len(items), workers)
        self._sending = False

    def start(self) -> None:
        """Send the first tasks. Locked by the caller."""
        if self._items:
            self._dispatcher.fed.add(self)
            self._send()

    def get_or_give_up(self) -> list[Any]:
        """Wait for the results; when the wait is interrupted, send no more items."""
        try:
            results: list[Any] = self.get()
        except BaseException as error:
            with self._dispatcher.lock:
                self.give_up(error)
            raise
        return results

    def give_up(self, error: BaseException) -> None:
        """What has not gone out never will; it has *error* for a result. Locked by the caller."""
        self._dispatcher.fed.discard(self)
        rest = self._plan.rest()
        if rest:
            self._fail(rest, error)

    def finish(self) -> None:
        """See `Fed`: nothing, as somebody waits for it."""

    def take(self, number: int, ok: bool, value: Any) -> None:
        """See `Job`."""
        if ok:
            start, end = self._places[number]
            self._plan.measured(end - start, value.pop())
        super().take(number, ok, value)

    def over(self) -> Callable[[], object] | None:
        """See `Job`: here also what is to be done before the job is over."""
        if not self._sending and self._plan.wants(len(self._places)):
            return both(self._feed, self._news())
        return super().over()

    def _feed(self) -> None:
        with self._dispatcher.lock:
            try:
                self._send()
            except BaseException as error:  # noqa: BLE001 - who waits for the map gets it
                self.give_up(error)

    def _send(self) -> None:
        self._sending = True  # an item that cannot be sent is taken at once, and asks for more
        try:
            while self._plan.wants(len(self._places)):
                piece = self._plan.next()
                tasks = [self._items[slice(*piece)]]
                self._dispatcher.send(self, self._program, tasks, [piece], self._retries)
        finally:
            self._sending = False
        if self._plan.is_over:
            self._dispatcher.fed.discard(self)
