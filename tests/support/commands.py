"""Commands run to their end, as a user types them.

Idea: what concerns a command line (the arguments it takes, its exit code, what it prints) is tested
on the command itself, in a folder of the test's choice.

Invariant: nothing of a command outlives the call: it leads a session of its own, and what is left
of that session is killed.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.programs import Outcome, kill_session


def run_command(
    command: Sequence[str], folder: Path, stdin: str = "", timeout: float = 30.0
) -> Outcome:
    """Run *command* in *folder* and return the outcome.

    Raises:
        subprocess.TimeoutExpired: after *timeout* seconds it ran, or a child held its output.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        finally:
            kill_session(process.pid)
    return Outcome(stdout, stderr, process.returncode)
