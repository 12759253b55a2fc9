"""A program without a main module, without standard streams, without memory for a result."""

import os
import resource
import sys
from typing import Any

import pytest

import procession
import procession.pool
from tests.support.programs import run_python

TIMEOUT = 30.0
METHODS = ["fork", "spawn", "forkserver"]

NO_MAIN = """
import sys
import procession
import procession.pool

if __name__ == "__main__":
    context = procession.get_context(sys.argv[1])
    main = sys.modules.pop("__main__")
    with context.Pool(1) as pool:
        print(pool.apply(abs, (-3,)), pool.map(len, ["one", "three"]))
    process = context.Process(target=int)
    process.start()
    process.join()
    print(process.exitcode)
    sys.modules["__main__"] = main
"""


@pytest.mark.parametrize("method", METHODS)
def test_pools_work_without_a_main_module(method: str) -> None:
    """As in a program that embeds Python, or a host that has removed it."""
    outcome = run_python(NO_MAIN, method)

    assert outcome.stdout == "3 [3, 5]\n0\n", outcome.stderr


def lose_stderr(how: str) -> None:
    """Have no standard error any more, then fail."""
    if how == "None":
        sys.stderr = None
    elif how == "closed":
        sys.stderr.close()
    else:
        reader, writer = os.pipe()
        os.close(reader)
        sys.stderr = open(writer, "w", buffering=1)  # noqa: SIM115 - the child ends with it
    raise ValueError("the reason")


@pytest.mark.parametrize("how", ["None", "closed", "broken"])
def test_an_error_is_told_without_standard_error(ctx: Any, how: str) -> None:
    process = ctx.Process(target=lose_stderr, args=(how,))
    process.start()

    error = process.exception(TIMEOUT)

    assert (type(error), str(error), process.exitcode) == (ValueError, "the reason", 1)


def fill_stdout() -> None:
    sys.stdout = open("/dev/full", "w")  # noqa: SIM115 - the child ends with it
    sys.stdout.write("what nobody will see")


def test_a_failed_flush_at_the_end_is_told(ctx: Any) -> None:
    process = ctx.Process(target=fill_stdout)
    process.start()

    error = process.exception(TIMEOUT)

    assert (type(error), process.exitcode) == (OSError, 1)


def limit_memory() -> None:
    """Leave room for little more than there is."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))


def fail_with(size: int) -> None:
    raise ValueError("x" * size)


def test_what_does_not_fit_into_memory_is_told(ctx: Any) -> None:
    """A result is a MemoryError; an error that is too large is told by a part of its text."""
    with ctx.Pool(1, limit_memory) as pool:
        pid = pool.apply(os.getpid)

        with pytest.raises(MemoryError):
            pool.apply_async(bytes, (150 << 20,)).get(TIMEOUT)
        with pytest.raises((MemoryError, procession.pool.MaybeEncodingError)) as caught:
            pool.apply_async(fail_with, (120 << 20,)).get(TIMEOUT)

        assert len(str(caught.value)) < 1 << 20
        assert pool.apply_async(os.getpid).get(TIMEOUT) == pid
    pool.join()
