"""How far a map is, told while it goes on: to a callable, or by a bar.

Idea: the job counts the items whose calls have ended, as it takes them; telling of it is a callback
like any other, run where those are run, and never under a lock of the pool. Ends that come together
are told together.

Invariant: what is told grows; a map that has done all of its items has told their number.

Layer: pool.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from typing import Any

Teller = Callable[[int, int | None], object]
"""Is given how many items are done, and of how many; None: nobody knows."""

Wish = bool | Teller
"""What a caller asks for: True, a bar; False, nothing."""


def check(wish: object) -> None:
    """Raise unless *wish* is one, and can be had.

    Raises:
        TypeError: it is neither True nor False nor can be called.
        ModuleNotFoundError: there is no library that draws bars.
    """
    if wish is True:
        _bar_maker()
    elif wish is not False and not callable(wish):
        raise TypeError(f"progress must be True, False or a callable(done, total), not {wish!r}")


def of(wish: Wish, total: int | None, name: str) -> Progress | None:
    """The progress of a map of *total* items that calls the function *name*, if it is wished."""
    if wish is False:
        return None
    tell, close = _bar_maker()(total, name) if wish is True else (wish, _nothing)
    return Progress(tell, close, total)


class Progress:
    """Counts, and tells.

    Args:
        tell: see `Teller`.
        close: called once, when nothing more will be told.
        total: how many items there are, if that is known.
    """

    def __init__(self, tell: Teller, close: Callable[[], object], total: int | None):
        self._tell, self._close, self._total = tell, close, total
        self._done = self._told = 0
        self._over = self._closed = self._pending = False
        self._telling = threading.RLock()

    def add(self, items: int) -> None:
        """So many more have ended. The dispatcher is locked."""
        self._done += items

    def news(self, over: bool) -> Callable[[], object] | None:
        """What is to be called so that the world knows, if it does not. The dispatcher is locked.

        Args:
            over: whether nothing more will be done.
        """
        self._over = over
        if self._pending or self._closed or not (over or self._done > self._told):
            return None
        self._pending = True
        return self._catch_up

    def _catch_up(self) -> None:
        with self._telling:
            self._pending = False
            over, done = self._over, self._done
            try:
                if done > self._told and not self._closed:
                    self._told = done
                    self._tell(done, self._total)
            except BaseException:
                self.close()  # one that fails once would fail each time
                raise
            if over:
                self.close()

    def close(self) -> None:
        """Tell nothing any more."""
        with self._telling:
            if not self._closed:
                self._closed = True
                self._close()


def both(
    first: Callable[[], object] | None, second: Callable[[], object] | None
) -> Callable[[], object] | None:
    """One that calls both, if there are both; the second also when the first raises."""
    if first is None or second is None:
        return first or second

    def call() -> None:
        try:
            first()
        finally:
            second()

    return call


# ------------------------------------------------------------------------------------------- bars

_Bar = tuple[Teller, Callable[[], object]]


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
    """A callable need not be told that it is over."""
