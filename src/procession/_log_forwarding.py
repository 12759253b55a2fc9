"""Log records of children, handled in the process that asks for them.

Idea: a child that logs puts its records into a queue, and one thread of the process that called
`forward_logs` gives each to the logger of the same name there, as if it had been logged there. When
the call that logs returns, the record is in shared memory: a child that is killed right after it
has been heard. What a child needs for this is part of its process object, so that it comes into
force under each start method before any code of the program's runs, and goes on to grandchildren.

Invariant: a record is handled once. A log call never raises, and never waits for ever: when nobody
takes records any more, they go to the standard error stream.

Layer: ipc. Imports logging; imported only by programs that forward.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
from queue import Full
from typing import TYPE_CHECKING, Any

from ._base import finalize, log, runtime
from ._base.queue_shutdown import ShutDown
from .queues import Queue

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_MOST_WAITING = 10_000  # records, a few megabytes
_PATIENCE = 5.0  # seconds that a log call waits for room
_IN_CONFIG = "log_forwarder"  # what a process and its descendants have of it

_EXIT_PRIORITY = -50  # when the children have ended


def forward_logs(level: int | str = logging.NOTSET) -> LogForwarding:
    """Have the log records of children handled by the handlers of this process.

    It concerns the processes that are created from now on (workers of pools, grandchildren), under
    each start method. In a child one handler takes the place of all; its loggers have the levels
    that they have here when it starts. Here a record goes to the logger of its name, with
    its levels, filters and handlers, in a thread of this package's. Once on, it stays on until
    `LogForwarding.stop`, or the end of this process; a second call gives the same object.

    Args:
        level: records below it stay where they are.
    """
    global _current
    if _current is None or not _current.is_active():
        _current = LogForwarding(level)
    return _current


class LogForwarding:
    """What `forward_logs` has begun; a ``with`` block ends it."""

    def __init__(self, level: int | str):
        self._pid = os.getpid()
        self._records: Any = Queue(_MOST_WAITING)
        self._marks: dict[int, threading.Event] = {}
        self._config: Any = runtime.current_process()._config
        self._outer = self._config.get(_IN_CONFIG)  # of this process's own parent
        self._forwarder = _Forwarder(self._records, level)
        self._thread = threading.Thread(target=self._deliver, name="procession-logs", daemon=True)
        self._thread.start()
        self._config[_IN_CONFIG] = self._forwarder
        log.on_first_use()  # so that the handlers are still open when we end
        self._stop_at_exit = finalize.Finalize(None, self.stop, exitpriority=_EXIT_PRIORITY)

    def is_active(self) -> bool:
        """Return whether this process takes records."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait up to *timeout* seconds until all records logged before this call were handled.

        Returns:
            Whether they were.
        """
        if not self.is_active() or threading.current_thread() is self._thread:
            return not self.is_active()
        number, mark = next(_numbers), threading.Event()
        self._marks[number] = mark
        try:
            self._records.put(number, True, timeout)
        except Full:
            return False
        except ShutDown:  # another thread stops it just now
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return mark.wait(timeout)

    def stop(self) -> None:
        """Handle what has been logged, and no more.

        Children that still run write warnings and errors to their standard error stream then.
        """
        if not self.is_active():
            return
        self._records.shutdown()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if self._config.get(_IN_CONFIG) is self._forwarder:
            del self._config[_IN_CONFIG]
            if self._outer is not None:
                self._config[_IN_CONFIG] = self._outer
        self._stop_at_exit.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.stop()

    def _deliver(self) -> None:
        """Handle records until there are no more."""
        while True:
            try:
                item = self._records.get()
                if isinstance(item, int):
                    self._marks.pop(item).set()
                else:
                    _handle(item)
            except ShutDown:
                return
            except Exception:  # noqa: BLE001 - shown; the others are still handled
                sys.excepthook(*sys.exc_info())


_current: LogForwarding | None = None
_numbers = itertools.count()  # of marks in the queue


def _handle(attributes: dict[str, Any]) -> None:
    """Do with a child's record what a logger does with its own."""
    record = logging.makeLogRecord(attributes)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


# ------------------------------------------------------------------------------------ in the child


class _Forwarder:
    """What a child has of it, in its process object; unpickled it comes into force."""

    def __init__(self, records: Any, level: int | str):
        self._records, self._level = records, level
        finalize.register_after_fork(self, _Forwarder.begin_after_fork)

    def __reduce__(self) -> Any:
        return _arrive, (self._records, self._level, _levels(), logging.root.manager.disable)

    def begin_after_fork(self) -> None:
        """In a forked child: come into force, if it is a child that shall forward."""
        if runtime.current_process()._config.get(_IN_CONFIG) is self:
            self.begin()

    def begin(self) -> None:
        """Have all loggers of this process forward their records, and do nothing else."""
        handler = _ForwardingHandler(self._records, self._level)
        for logger in _loggers():
            if logger.handlers:
                logger.handlers = [] if logger.propagate else [handler]
        logging.root.handlers = [handler]


def _arrive(records: Any, level: int | str, levels: dict[str, int], disable: int) -> _Forwarder:
    for name, its_level in levels.items():
        logging.getLogger(name).setLevel(its_level)
    logging.disable(disable)
    log.name_records()
    forwarder = _Forwarder(records, level)
    forwarder.begin()
    return forwarder


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]


def _levels() -> dict[str, int]:
    """The levels that were set, by the names of the loggers; the root's is the first."""
    named = {logger.name: logger.level for logger in _loggers() if logger.level}
    return {"": logging.root.level, **named}


class _ForwardingHandler(logging.Handler):
    """Puts records into the queue."""

    def __init__(self, records: Any, level: int | str):
        super().__init__(level)
        self._records = records
        self._patience = _PATIENCE

    def emit(self, record: logging.LogRecord) -> None:
        """Send *record*."""
        try:
            attributes = _attributes(record)
            try:
                self._put(attributes)
            except (Full, ShutDown):
                self._patience = 0.0  # until somebody takes records again
                if logging.lastResort is not None:
                    logging.lastResort.handle(record)
            except Exception:  # noqa: BLE001 - an attribute of the program's cannot be sent
                self._put(_shown(attributes))
        except Exception:  # noqa: BLE001 - as handlers do: it is shown
            self.handleError(record)

    def _put(self, attributes: dict[str, Any]) -> None:
        self._records.put(attributes, True, self._patience)
        self._patience = _PATIENCE


_formatter = logging.Formatter()


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    """What is sent of *record*: the message and the traceback as texts, and all else as it is."""
    attributes = {**vars(record), "msg": record.getMessage(), "args": None, "exc_info": None}
    if record.exc_info and not record.exc_text:
        attributes["exc_text"] = _formatter.formatException(record.exc_info)
    return attributes


_PLAIN = (str, int, float, type(None))


def _shown(attributes: dict[str, Any]) -> dict[str, Any]:
    """*attributes*, as texts those that are not of a simple type."""
    return {
        name: value if isinstance(value, _PLAIN) else repr(value)
        for name, value in attributes.items()
    }
