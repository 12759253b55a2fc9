"""The named places where the crash build of the core can be killed.

Idea: the names are read from the sources, so that a new CRASH_POINT is tested by the tests that ask
for its prefix, without a line anywhere.

Invariant: a child is armed after it has started, so that only the operation under test is cut
short.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

NATIVE = Path(__file__).resolve().parents[2] / "native"
POINT = re.compile(r'\bCRASH_POINT\("([^"*]+)"\)')


def crash_points(prefix: str) -> list[str]:
    """Return the sorted names of all crash points that start with *prefix*; there is at least one.

    Raises:
        LookupError: there is none, so that a renamed prefix cannot silence its tests.
    """
    sources = (path.read_text() for path in NATIVE.rglob("*.[ch]") if "tests" not in path.parts)
    names = {name for text in sources for name in POINT.findall(text)}
    found = sorted(name for name in names if name.startswith(prefix))
    if not found:
        raise LookupError(f"no CRASH_POINT in native/ starts with {prefix!r}; there are {names}")
    return found


def kill_child_at(
    ctx: Any,
    point: str,
    target: Callable[..., object],
    args: tuple[Any, ...] = (),
    *,
    passage: int = 1,
    timeout: float = 30.0,
) -> int:
    """Run *target* in a child that is killed when it reaches *point*; return its exit code.

    Args:
        ctx: the context whose ``Process`` is started.
        point: a name, or a prefix that ends in ``*``.
        passage: which passage of the point, counted from 1, is the last.
        timeout: seconds for the child to end.
    Returns:
        ``-SIGKILL`` when the point was reached; 0 when *target* returned without reaching it.
    Raises:
        AssertionError: the child hangs; it is killed.
    """
    process = ctx.Process(target=_run_armed, args=(point, passage, target, args))
    process.start()
    process.join(timeout)
    hangs = process.exitcode is None
    if hangs:
        process.kill()
        process.join()
    exitcode: int = process.exitcode
    process.close()
    assert not hangs, f"the child that was to die at {point} still ran after {timeout} s"
    return exitcode


def _run_armed(
    point: str, passage: int, target: Callable[..., object], args: tuple[Any, ...]
) -> None:
    """In the child: nothing before *target* is to reach the point."""
    from procession import _core

    _core.crash_arm(point, passage)
    target(*args)
    _core.crash_arm(None)
