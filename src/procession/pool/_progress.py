"""The progress of a map: told while it goes on, to a callable or by a bar.

Idea: the job counts the items whose calls have ended. Reporting the count is a callback like any
other: it is run where callbacks are run, and never under a lock of the pool. Items that end
together are reported together.

Invariant: the reported numbers grow; a map that has done all of its items has reported their
number.

Layer: pool.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from typing import Any

Report = Callable[[int, int | None], object]
"""It is given how many items are done, and how many there are; None: that is not known."""

ProgressOption = bool | Report
"""What a caller may pass as ``progress=``: True for a bar, False for nothing, or a callable."""


def check(option: object) -> None:
    """Raise unless *option* is one, and can be done.

    Raises:
        TypeError: it is neither True nor False nor can be called.
        ModuleNotFoundError: there is no library that draws bars.
    """
    if option is True:
        _bar_maker()
    elif option is not False and not callable(option):
        raise TypeError(f"progress must be True, False or a callable(done, total), not {option!r}")


def make_progress(option: ProgressOption, total: int | None, name: str) -> Progress | None:
    """Return the progress of a map of *total* items that calls the function *name*.

    None if the caller wants no report.
    """
    if option is False:
        return None
    report, close = _bar_maker()(total, name) if option is True else (option, _nothing)
    return Progress(report, close, total)


class Progress:
    """The number of items that are done, and of those that were reported.

    Args:
        report: see `Report`.
        close: called once, after the last report.
        total: how many items there are, if that is known.
    """

    def __init__(self, report: Report, close: Callable[[], object], total: int | None):
        self._report, self._close, self._total = report, close, total
        self._done = self._reported = 0
        self._complete = self._closed = self._pending = False
        self._reporting = threading.RLock()

    def add(self, items: int) -> None:
        """Count *items* more. The dispatcher is locked."""
        self._done += items

    def pop_callback(self, complete: bool) -> Callable[[], object] | None:
        """Return what is to be called so that the count is reported. The dispatcher is locked.

        Args:
            complete: whether no more items will be done.
        Returns:
            None when there is nothing to report, or a callback was returned and has not run yet.
        """
        self._complete = complete
        if self._pending or self._closed or not (complete or self._done > self._reported):
            return None
        self._pending = True
        return self._catch_up

    def _catch_up(self) -> None:
        with self._reporting:
            self._pending = False
            complete, done = self._complete, self._done
            try:
                if done > self._reported and not self._closed:
                    self._reported = done
                    self._report(done, self._total)
            except BaseException:
                self.close()  # a callable that fails once would fail each time
                raise
            if complete:
                self.close()

    def close(self) -> None:
        """End the reports."""
        with self._reporting:
            if not self._closed:
                self._closed = True
                self._close()


def both(
    first: Callable[[], object] | None, second: Callable[[], object] | None
) -> Callable[[], object] | None:
    """Return what calls both, if there are both; the second also when the first raises."""
    if first is None or second is None:
        return first or second

    def call() -> None:
        try:
            first()
        finally:
            second()

    return call


# ------------------------------------------------------------------------------------------- bars

_Bar = tuple[Report, Callable[[], object]]


def _bar_maker() -> Callable[[int | None, str], _Bar]:
    for library, make in (("tqdm", _tqdm), ("rich", _rich)):
        if importlib.util.find_spec(library) is not None:
            return make
    raise ModuleNotFoundError(
        "progress=True draws a bar with tqdm or rich, and neither is installed: pip install tqdm, "
        "or give a callable, which is called with (items done, items in all)"
    )


def _tqdm(total: int | None, name: str) -> _Bar:
    base: Any = importlib.import_module("tqdm.auto").tqdm
    features: dict[str, object] = {"monitor_interval": 0}  # no thread that watches the bars
    if not hasattr(base, "_lock"):
        features["_lock"] = threading.RLock()  # it would make one of the standard multiprocessing
    bar: Any = type("Bar", (base,), features)(total=total, desc=name, miniters=1)
    return lambda done, total: bar.update(done - bar.n), bar.close


def _rich(total: int | None, name: str) -> _Bar:
    bar: Any = importlib.import_module("rich.progress").Progress()
    task = bar.add_task(name, total=total)
    bar.start()
    return lambda done, total: bar.update(task, completed=done), bar.stop


def _nothing() -> None:
    """Do nothing: a callable is not told that there will be no more reports."""
