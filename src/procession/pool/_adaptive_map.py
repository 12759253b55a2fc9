"""The results of a map whose caller waits: its chunks are sent as those before come back.

Idea: the caller waits for the whole map, and so receives. Each result tells how long its chunk
took, and lets the next chunk be sent, cut by that (see `_chunking.AdaptiveChunks`).

Invariant: while items were not sent, at least one task is under way, or the job is among the
dispatcher's unsent jobs. So the pool is not taken for idle, and the job ends when the pool does.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._chunking import AdaptiveChunks
from ._progress import both
from ._results import MapResult

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher
    from ._functions import SharedFunction


class AdaptiveMapResult(MapResult):
    """The results of a map whose caller waits.

    Args:
        dispatcher: sends the tasks and receives the results.
        function: its results are followed by the nanoseconds that they took.
        items: the input.
        workers: how many there are.
        retries: how often a task runs again that was lost.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        function: SharedFunction,
        items: Sequence[Any],
        workers: int,
        retries: int,
    ):
        super().__init__(dispatcher, function.name, len(items))
        self._function, self._items, self._retries = function, items, retries
        self._chunks = AdaptiveChunks(len(items), workers)
        self._sending = False

    def start(self) -> None:
        """Send the first tasks. The dispatcher is locked by the caller."""
        if self._items:
            self._dispatcher.unsent_jobs.add(self)
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
        """Fail the items that were not sent yet. The dispatcher is locked by the caller."""
        self._dispatcher.unsent_jobs.discard(self)
        rest = self._chunks.cut_rest()
        if rest:
            self._fail(rest, error)

    def set_outcome(self, number: int, ok: bool, value: Any) -> None:
        """Take the time that the chunk took, then see `MapResult`."""
        if ok:
            start, end = self._ranges[number]
            self._chunks.add_measurement(end - start, value.pop())
        super().set_outcome(number, ok, value)

    def pop_callback(self) -> Callable[[], object] | None:
        """Return what sends more items, while there are some; then see `MapResult`."""
        if not self._sending and self._chunks.wants_more(len(self._ranges)):
            return both(self._send_more, self._pop_progress())
        return super().pop_callback()

    def _send_more(self) -> None:
        with self._dispatcher.lock:
            try:
                self._send()
            except BaseException as error:  # noqa: BLE001 - the caller of the map gets it
                self.give_up(error)

    def _send(self) -> None:
        self._sending = True  # an item that cannot be sent ends at once, and would ask for more
        try:
            while self._chunks.wants_more(len(self._ranges)):
                chunk = self._chunks.next()
                tasks = [self._items[slice(*chunk)]]
                self._dispatcher.send(self, self._function, tasks, [chunk], self._retries)
        finally:
            self._sending = False
        if self._chunks.is_exhausted:
            self._dispatcher.unsent_jobs.discard(self)
