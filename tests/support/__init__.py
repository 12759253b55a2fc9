"""What all tests share: contexts, programs in fresh interpreters, waiting, leaks, crash points.

Idea: a test states its claim; how to run a script, to wait for a state or to kill a child at a
named point is said once, here. The fixtures that use these are in tests/conftest.py.
"""

from tests.support.programs import Outcome, Program, run_python, start_python
from tests.support.waiting import wait_until

__all__ = ["Outcome", "Program", "run_python", "start_python", "wait_until"]
