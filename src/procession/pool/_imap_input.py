"""The input of an imap: whether more items are drawn from it, as one state.

Idea: three parties decide whether an imap goes on. The caller's iterator takes results, or is
forgotten. The prefetch draws items, until the input ends. The pool is closed and joined, or fails.
What they have decided so far is one state, and each of their events changes it here:

                       first_read            reader_gone
    NEW --start--> UNREAD ------> READING ---------------> ABANDONED
                      |              |
                      +----drain-----+
                             |
                             v
                         DRAINING

    end_input leads from each state to INPUT_DONE; job_gone leads from each other state to
    ABANDONED. An event without an arrow changes nothing.

    NEW         The prefetch was not started yet.
    UNREAD      The caller has not asked for a result. Items are drawn up to a bound. The caller may
                have forgotten the iterator, since it wants no results: the tasks are all done at
                the latest when the pool is joined.
    READING     The iterator takes results, and items are drawn behind it. The job ends with its
                iterator, for the input may have no end.
    DRAINING    The pool is closed and joined. All items are sent as results come back, whether the
                caller takes these or not.
    ABANDONED   The iterator was forgotten, or the whole job. No more items are drawn.
    INPUT_DONE  No more items are drawn: the input has ended or failed, the imap was cancelled, or
                the pool has failed.

Invariant: the job is among the dispatcher's unsent jobs in the states UNREAD and DRAINING, and in
no other; so the pool keeps it alive, and is not idle. Each event but `reader_gone` and `job_gone`
happens with the dispatcher's lock held. These two take no lock, because the garbage collector may
cause them anywhere: so each change looks at the state and stores the new one without a call in
between, where another thread could run.

Layer: pool.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher
    from ._protocols import BackloggedJob


class InputState(enum.Enum):
    """What was decided so far: the states that the head of this file explains.

    Attributes:
        wants_items: whether more items are to be drawn.
        is_unsent: whether the job is among the dispatcher's unsent jobs.
    """

    NEW = "new", False, False
    UNREAD = "unread", True, True
    READING = "reading", True, False
    DRAINING = "draining", True, True
    ABANDONED = "abandoned", False, False
    INPUT_DONE = "input done", False, False

    def __init__(self, label: str, wants_items: bool, is_unsent: bool):
        self.label = label  # members of equal values would be one
        self.wants_items = wants_items
        self.is_unsent = is_unsent


# Names of this module: to look one up in the class may run code, in which another thread could run.
NEW, UNREAD, READING, DRAINING, ABANDONED, INPUT_DONE = InputState


class Prefetcher(Protocol):
    """What draws the items of an imap and sends them."""

    def more(self) -> None:
        """Draw more items if there is room."""

    def stop(self) -> None:
        """Look at the job's state: no more items are wanted."""


class ImapInput:
    """The part of an imap's job that knows whether its input goes on.

    Args:
        dispatcher: has the collections of jobs, and their lock.

    Attributes:
        state: the current one; only the events change it.
        prefetch: draws the items; None before `start` and in INPUT_DONE.
    """

    def __init__(self, dispatcher: Dispatcher):
        self._dispatcher = dispatcher
        self.state = NEW
        self.prefetch: Prefetcher | None = None

    # ------------------------------------------------------------------------------------ events

    def start(self, prefetch: Prefetcher) -> None:
        """*prefetch* begins to draw items. The dispatcher is locked by the caller."""
        assert self.state is NEW, "an imap starts once"
        self.state = UNREAD
        self.prefetch = prefetch
        self._update_unsent_jobs()
        self._dispatcher.backlogged_jobs.add(cast("BackloggedJob", self))

    def first_read(self) -> None:
        """The caller asks for a result: from now on the job ends with its iterator."""
        with self._dispatcher.lock:
            if self.state is UNREAD:
                self.state = READING
                self._update_unsent_jobs()

    def reader_gone(self) -> None:
        """The iterator was forgotten. Takes no lock."""
        if self.state is READING:
            self.state = ABANDONED
            self._stop_prefetch()

    def drain(self) -> None:
        """The pool is closed and joined: send all items even if no caller takes the results."""
        with self._dispatcher.lock:
            if self.state is READING or self.state is UNREAD:
                self.state = DRAINING
                self._update_unsent_jobs()
            prefetch = self.prefetch if self.state is DRAINING else None
        if prefetch is not None:
            prefetch.more()

    def end_input(self) -> None:
        """No more items are drawn, for good. The dispatcher is locked by the caller."""
        self.state = INPUT_DONE
        self._update_unsent_jobs()
        self._stop_prefetch()
        self.prefetch = None

    def job_gone(self) -> None:
        """The job itself was forgotten. Takes no lock."""
        if self.state is not INPUT_DONE:
            self.state = ABANDONED
            self._stop_prefetch()

    # ----------------------------------------------------------------------------- their effects

    def _update_unsent_jobs(self) -> None:
        jobs = self._dispatcher.unsent_jobs
        change = jobs.add if self.state.is_unsent else jobs.discard
        change(cast("BackloggedJob", self))

    def _stop_prefetch(self) -> None:
        if self.prefetch is not None:
            self.prefetch.stop()
