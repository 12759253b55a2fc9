"""Log records of children, handled in the process that asks for them.

Idea: a child puts its log records into a queue, and one thread of the process that called
`forward_logs` gives each record to the logger of the same name there, as if it had been logged
there. When the call that logs returns, the record is in shared memory, so it is not lost if the
child is killed then. What a child needs for this is part of its process object: so it takes effect
under each start method before code of the program runs, and is passed on to grandchildren.

Invariant: a record is handled once. A log call never raises, and never waits for ever: when no
process handles records any more, they are written to the standard error stream.

Layer: ipc; imports `logging`, so only programs that forward records import it.
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
from ._base.deadline import Deadline
from ._base.queue_shutdown import ShutDown
from .queues import Queue

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_MAX_RECORDS = 10_000  # in the queue; a few megabytes
_PUT_TIMEOUT_S = 5.0  # how long a log call waits for room in the queue
_CONFIG_KEY = "log_forwarder"  # of the configuration that a process passes on to its descendants

_EXIT_PRIORITY = -50  # when the children have ended


def forward_logs(level: int | str = logging.NOTSET) -> LogForwarding:
    """Have the log records of children handled by the handlers of this process.

    This concerns the processes that are created from now on (workers of pools and grandchildren
    too), under each start method. In a child one handler replaces all others, and its loggers have
    the levels that they have here when it starts. Here a record is given to the logger of its name,
    with that logger's level, filters and handlers, in a thread of this package. Forwarding ends
    with `LogForwarding.stop`, or with this process; a second call before that returns the same
    object.

    Args:
        level: records below this level are not forwarded.
    """
    global _current
    if _current is None or not _current.is_active():
        _current = LogForwarding(level)
    return _current


class LogForwarding:
    """The forwarding that `forward_logs` has begun; the end of a ``with`` block stops it."""

    def __init__(self, level: int | str):
        self._pid = os.getpid()
        self._records: Any = Queue(_MAX_RECORDS)
        self._flushes: dict[int, threading.Event] = {}
        self._config: Any = runtime.current_process()._config
        self._outer = self._config.get(_CONFIG_KEY)  # of this process's own parent
        self._forwarder = _Forwarder(self._records, level)
        self._thread = threading.Thread(target=self._deliver, name="procession-logs", daemon=True)
        self._thread.start()
        self._config[_CONFIG_KEY] = self._forwarder
        log.on_first_use()  # so that the handlers are still open at our exit
        self._stop_at_exit = finalize.Finalize(None, self.stop, exitpriority=_EXIT_PRIORITY)

    def is_active(self) -> bool:
        """Return whether this process handles records of its children."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait up to *timeout* seconds until all records logged before this call were handled.

        Returns:
            Whether they were.
        """
        deadline = Deadline(timeout)
        if not self.is_active() or threading.current_thread() is self._thread:
            return not self.is_active()
        number, done = next(_numbers), threading.Event()
        self._flushes[number] = done
        try:
            self._records.put(number, True, deadline.remaining())
        except Full:
            return False
        except ShutDown:  # another thread calls `stop` at this moment
            self._thread.join(deadline.remaining())
            return not self._thread.is_alive()
        return done.wait(deadline.remaining())

    def stop(self) -> None:
        """Handle the records that have been logged, and end.

        From then on children write warnings and errors to their standard error stream.
        """
        if not self.is_active():
            return
        self._records.shutdown()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if self._config.get(_CONFIG_KEY) is self._forwarder:
            del self._config[_CONFIG_KEY]
            if self._outer is not None:
                self._config[_CONFIG_KEY] = self._outer
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
                    self._flushes.pop(item).set()
                else:
                    _handle(item)
            except ShutDown:
                return
            except Exception:  # noqa: BLE001 - reported; the others are still handled
                sys.excepthook(*sys.exc_info())


_current: LogForwarding | None = None
_numbers = itertools.count()  # which `flush` puts into the queue


def _handle(attributes: dict[str, Any]) -> None:
    """Handle a child's record as a logger does its own."""
    record = logging.makeLogRecord(attributes)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


# ------------------------------------------------------------------------------------ in the child


class _Forwarder:
    """The forwarding in a child, as part of its process object; it takes effect when unpickled."""

    def __init__(self, records: Any, level: int | str):
        self._records, self._level = records, level
        finalize.register_after_fork(self, _Forwarder.begin_after_fork)

    def __reduce__(self) -> Any:
        return _rebuild, (self._records, self._level, _levels(), logging.root.manager.disable)

    def begin_after_fork(self) -> None:
        """In a forked child: take effect, if its configuration says so."""
        if runtime.current_process()._config.get(_CONFIG_KEY) is self:
            self.begin()

    def begin(self) -> None:
        """Have all loggers of this process forward their records, and have no other handlers."""
        handler = _ForwardingHandler(self._records, self._level)
        for logger in _loggers():
            if logger.handlers:
                logger.handlers = [] if logger.propagate else [handler]
        logging.root.handlers = [handler]


def _rebuild(records: Any, level: int | str, levels: dict[str, int], disable: int) -> _Forwarder:
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
    """Return the levels that were set, by the names of the loggers; the root logger is first."""
    named = {logger.name: logger.level for logger in _loggers() if logger.level}
    return {"": logging.root.level, **named}


class _ForwardingHandler(logging.Handler):
    """Puts records into the queue."""

    def __init__(self, records: Any, level: int | str):
        super().__init__(level)
        self._records = records
        self._timeout = _PUT_TIMEOUT_S

    def emit(self, record: logging.LogRecord) -> None:
        """Send *record*."""
        try:
            attributes = _attributes(record)
            try:
                self._put(attributes)
            except (Full, ShutDown):
                self._timeout = 0.0  # until a record could be put again
                if logging.lastResort is not None:
                    logging.lastResort.handle(record)
            except Exception:  # noqa: BLE001 - an attribute of the record cannot be sent
                self._put(_as_texts(attributes))
        except Exception:  # noqa: BLE001 - reported, as by other handlers
            self.handleError(record)

    def _put(self, attributes: dict[str, Any]) -> None:
        self._records.put(attributes, True, self._timeout)
        self._timeout = _PUT_TIMEOUT_S


_formatter = logging.Formatter()


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    """Return what is sent of *record*: its attributes, message and traceback as texts."""
    attributes = {**vars(record), "msg": record.getMessage(), "args": None, "exc_info": None}
    if record.exc_info and not record.exc_text:
        attributes["exc_text"] = _formatter.formatException(record.exc_info)
    return attributes


_SIMPLE_TYPES = (str, int, float, type(None))


def _as_texts(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return *attributes*; those that are not of a simple type as texts."""
    return {
        name: value if isinstance(value, _SIMPLE_TYPES) else repr(value)
        for name, value in attributes.items()
    }
