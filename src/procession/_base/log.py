"""The log of the package.

Idea: most programs never use it, so the logging package is imported only when the program asks
for the logger; until then a log call costs one comparison.

Invariant: the logger has the name that the documentation of the standard package gives, because
that is what programs configure; children log as their parent did.

Layer: base.
"""

from __future__ import annotations

import sys

from . import runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any

NOTSET = 0
SUBDEBUG = 5
DEBUG = 10
INFO = 20
SUBWARNING = 25

LOGGER_NAME = "multiprocessing"
DEFAULT_LOGGING_FORMAT = "[%(levelname)s/%(processName)s] %(message)s"

logger: logging.Logger | None = None
to_stderr = False

# Set by `finalize`, which imports this module. Its exit function must run before that of logging,
# which closes the handlers; so it is registered again when logging has been imported.
on_first_use: Callable[[], object] = bool


def sub_debug(msg: object, *args: object) -> None:
    """Log below the level of debugging."""
    if logger is not None:
        logger.log(SUBDEBUG, msg, *args, stacklevel=2)


def debug(msg: object, *args: object) -> None:
    """Log for debugging."""
    if logger is not None:
        logger.log(DEBUG, msg, *args, stacklevel=2)


def info(msg: object, *args: object) -> None:
    """Log an event of normal operation."""
    if logger is not None:
        logger.log(INFO, msg, *args, stacklevel=2)


def sub_warning(msg: object, *args: object) -> None:
    """Log something that may deserve attention, below the level of a warning."""
    if logger is not None:
        logger.log(SUBWARNING, msg, *args, stacklevel=2)


def get_logger() -> logging.Logger:
    """Return the package's logger; it is made, without a handler, at the first call."""
    global logger
    import logging  # on first use: most programs never log here

    if logger is None:
        made = logging.getLogger(LOGGER_NAME)
        made.propagate = False
        logger = made
        name_records()
        on_first_use()
    return logger


def name_records() -> None:
    """In a child: put its name into the records of all loggers, if logging has been imported.

    The logging package asks the standard package for the name, which knows only its own processes.
    """
    logging: Any = sys.modules.get("logging")
    if logging is None:
        return
    before = logging.getLogRecordFactory()
    if getattr(before, "names_process", False):
        return

    def make(*args: Any, **kwargs: Any) -> Any:
        record = before(*args, **kwargs)
        if record.processName == "MainProcess":
            record.processName = runtime.current_process().name
        return record

    make.names_process = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)


def log_to_stderr(level: int | str | None = None) -> logging.Logger:
    """Return the logger after giving it a handler that writes to the standard error stream."""
    global to_stderr
    import logging

    log = get_logger()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(DEFAULT_LOGGING_FORMAT))
    log.addHandler(handler)
    if level:
        log.setLevel(level)
    to_stderr = True
    return log


def preparation() -> dict[str, Any]:
    """Return the part of the preparation data by which a child logs as this process does."""
    return {
        "log_to_stderr": to_stderr,
        "log_level": None if logger is None else logger.getEffectiveLevel(),
    }


def prepare(log_to_standard_error: bool, level: int | None) -> None:
    """In a child: log as the parent did."""
    if log_to_standard_error:
        log_to_stderr()
    if level is not None:
        get_logger().setLevel(level)
