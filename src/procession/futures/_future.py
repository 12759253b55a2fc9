"""A future, and the call of a pool behind it.

Idea: the call's callbacks fill the future. Only the pool knows whether the call runs and whether it
can still be cancelled, so the future asks the pool.

Invariant: a future that was cancelled is never begun by a worker, and one that a worker has begun
is never cancelled: that is what `concurrent.futures` promises.

Layer: on top.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from typing import Any

from .._base.deadline import seconds_of
from ..pool import AsyncResult
from ._errors import translated


class PoolFuture(Future[Any]):
    """The future of one call."""

    _call: AsyncResult | None = None

    def result(self, timeout: float | None = None) -> Any:
        """Return what the call returned, waiting for it at most *timeout* seconds."""
        return super().result(seconds_of(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the call raised, waiting for its end at most *timeout* seconds, or None."""
        return super().exception(seconds_of(timeout))

    def cancel(self) -> bool:
        """Cancel the call if no worker has begun it; return whether it is cancelled now."""
        call = self._call
        if call is None or self.done():
            return self.cancelled() or (call is None and self._set_cancelled())
        call.cancel(begun=False)  # which calls `failed`, at once
        return self.cancelled()

    def running(self) -> bool:
        """Whether a worker has begun the call and not ended it."""
        call = self._call
        return not self.done() and call is not None and call.begun()

    def _set_cancelled(self) -> bool:
        if not super().cancel():
            return False
        self.set_running_or_notify_cancel()  # so that `wait` and `as_completed` are told
        return True

    def failed(self, error: BaseException) -> None:
        """Fill the future with *error*, which has ended the call. A callback of the call."""
        if isinstance(error, CancelledError) and self._was_cancelled():
            self._set_cancelled()
        else:
            self.set_exception(translated(error))

    def _was_cancelled(self) -> bool:
        return self._call is not None and self._call.cancelled()
