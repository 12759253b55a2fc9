"""A start that is broken off: by an exception between any two bytecodes, by a full process table.

Idea: a signal's handler may raise wherever Python code runs. `start()` then either has not started
anything, or the child is known as any other. A tracer raises at one bytecode after another.
"""

import pytest

from tests.support import run_python

PROGRAM = """
import gc, os, sys, time
import procession
from procession import _core
from procession.util import Finalize

FOLDER = os.path.dirname(procession.__file__)
OWN = os.getpid()

class Interrupt(BaseException):
    pass

def work():
    pass

def is_finalizer(frame):
    return isinstance(frame.f_locals.get("self"), Finalize) and frame.f_code.co_name == "__call__"

def raising_at(position):
    count = 0
    def trace(frame, event, argument):
        nonlocal count
        if os.getpid() != OWN:
            sys.settrace(None)
            return None
        # What a finalizer raises is never seen by the code that it interrupts.
        if not frame.f_code.co_filename.startswith(FOLDER) or is_finalizer(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            count += 1
            if count == position:
                raise Interrupt
        return trace
    return trace

def is_interrupted(process, position):
    sys.settrace(raising_at(position))
    try:
        process.start()
    except Interrupt:
        return True
    finally:
        sys.settrace(None)
    return False

def children():
    with open("/proc/thread-self/children") as file:
        return set(map(int, file.read().split()))

def in_use():
    gc.collect()
    _core.reclaim_dead()
    return _core.arena_usage()["used"]

def main(method, step):
    context = procession.get_context(method)
    first = context.Process(target=work)
    first.start()
    first.join()
    first.close()
    del first
    helpers, before = children(), in_use()
    position, interrupted = 1, True
    while interrupted:
        process = context.Process(target=work)
        interrupted = is_interrupted(process, position)
        known = {child.pid for child in procession.active_children()}
        if method != "forkserver":
            assert children() - helpers == known, (position, children(), helpers, known)
        else:
            assert len(children()) <= 1, (position, children(), helpers)
        if process._popen is not None:
            process.join(20)
            assert process.exitcode == 0, position
        position += step
        process = None
    end = time.monotonic() + 20  # a child of the server that was given up ends by itself
    while in_use() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert in_use() <= before, (in_use(), before)
    assert method == "forkserver" or children() == helpers
    print(position // step, "positions")

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""


@pytest.mark.orphans  # a child of the server that was given up may end after the program
@pytest.mark.parametrize(("method", "step"), [("fork", 1), ("spawn", 41), ("forkserver", 13)])
def test_an_exception_at_a_bytecode_of_a_start_leaves_no_child_unknown(
    method: str, step: int
) -> None:
    """Nor a slot, nor memory of the arena. Of the longer starts a sample of positions is tried."""
    outcome = run_python(PROGRAM, method, str(step), timeout=100)
    assert "positions" in outcome.stdout, outcome
