"""The logger of the package, and the log records of children."""

import logging
from typing import Any

import pytest

import procession
from tests.support import run_python

METHODS = ["fork", "spawn", "forkserver"]


LOGS = """
import logging, sys
import procession

def child():
    logger = procession.get_logger()
    print(logger.getEffectiveLevel(), len(logger.handlers), flush=True)
    logger.warning("from the child")

if __name__ == "__main__":
    logger = procession.log_to_stderr(logging.WARNING)
    assert logger is procession.get_logger()
    logger.warning("from the parent")
    process = procession.get_context(sys.argv[1]).Process(target=child, name="its name")
    process.start()
    process.join()
"""


@pytest.mark.parametrize("method", METHODS)
def test_children_log_as_their_parent_does(method: str) -> None:
    outcome = run_python(LOGS, method)

    assert outcome.stdout == f"{logging.WARNING} 1\n"
    assert outcome.stderr.splitlines() == [
        "[WARNING/MainProcess] from the parent",
        "[WARNING/its name] from the child",
    ]


ROOT_LOGS = """
import logging, sys
import procession

logging.basicConfig(format="%(processName)s: %(message)s")

def child():
    logging.warning("by the root logger")
    procession.current_process().name = "renamed"
    logging.warning("once more")
    logging.logMultiprocessing = False
    logging.warning("left out")

if __name__ == "__main__":
    logging.warning("here")
    process = procession.get_context(sys.argv[1]).Process(target=child, name="its name")
    process.start()
    process.join()
"""


@pytest.mark.parametrize("method", METHODS)
def test_records_of_any_logger_tell_the_childs_name(method: str) -> None:
    """It is not the name that the standard package would give the child."""
    outcome = run_python(ROOT_LOGS, method)

    assert outcome.stderr.splitlines() == [
        "MainProcess: here",
        "its name: by the root logger",
        "renamed: once more",
        "None: left out",
    ]


@pytest.mark.bare
def test_the_logger_is_one_and_has_no_handler_of_its_own(ctx: Any) -> None:
    logger = ctx.get_logger()

    assert logger is procession.get_logger() is logging.getLogger("multiprocessing")
    assert (logger.propagate, logger.name) == (False, "multiprocessing")


@pytest.mark.bare
def test_log_to_stderr_adds_a_handler_with_the_documented_format(capsys: Any, ctx: Any) -> None:
    from procession._base import log

    logger = ctx.get_logger()
    level, told = logger.level, log.to_stderr
    try:
        assert ctx.log_to_stderr("INFO") is logger
        logger.info("%d items", 3)
        assert capsys.readouterr().err == "[INFO/MainProcess] 3 items\n"
        assert logger.level == logging.INFO
    finally:
        logger.handlers.pop()
        logger.setLevel(level)
        log.to_stderr = told
