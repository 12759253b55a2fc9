"""Hostile programs: run with faulthandler by a fresh interpreter.

Idea: a crash is a signal in the exit code, a hang the time limit, a leak what `used()` says at its
end.
"""

from tests.support.programs import run_python

PREAMBLE = """
import faulthandler, gc, os, pickle, random, signal, sys, threading, time, warnings
import procession as mp
from procession import _core
from procession._pickling import core_hooks
core_hooks.give()
faulthandler.enable()
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: that is the matter

def used():
    _core.reclaim_dead()
    gc.collect()
    for _ in range(200):
        _core.Block(1)
    return _core.arena_usage()["used"]
"""


def run(code: str, timeout: float = 30.0) -> None:
    """Run the program; it must end well, say "done" and nothing else."""
    outcome = run_python(PREAMBLE + code + "\nprint('done')\n", timeout=timeout)
    assert (outcome.exitcode, outcome.stdout, outcome.stderr) == (0, "done\n", "")
