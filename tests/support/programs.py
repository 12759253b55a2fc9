"""Scripts run by a fresh interpreter.

Idea: what concerns a whole program (its exit code, what it prints, who survives its death) is
tested on a whole program: a script file, so that spawn and forkserver find ``__main__`` again.

Invariant: nothing of a program outlives the call or the ``with`` block that started it: it leads a
session of its own, and what is left of that session is killed. When the test runner itself is
killed, so is the program.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Of util-linux; it execs the interpreter, so the program's pid is that of the child started here.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


@dataclass(frozen=True)
class Outcome:
    """How a program ended: what it wrote, and its exit code (negative: the signal)."""

    stdout: str
    stderr: str
    exitcode: int


class Program:
    """A script that is running; see `start_python`."""

    def __init__(self, popen: "subprocess.Popen[str]") -> None:
        self._popen = popen
        self.pid = popen.pid

    def read_line(self) -> str:
        """Return the next line of its output, without the line's end; '' when it has ended."""
        assert self._popen.stdout is not None
        return self._popen.stdout.readline().rstrip("\n")

    def write_line(self, text: str) -> None:
        """Send it one line on its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(text + "\n")
        self._popen.stdin.flush()

    def send_signal(self, number: int) -> None:
        """Send a signal to the program alone, not to its children."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the program alone, and wait for its end (not for that of its children)."""
        self._popen.kill()
        self._popen.wait()

    def wait(self) -> None:
        """Wait for the end of the program alone; its children may hold its output."""
        self._popen.wait()

    def finish(self, stdin: str | None = None, timeout: float = 30.0) -> Outcome:
        """Wait for its end and return the outcome.

        Raises:
            subprocess.TimeoutExpired: it still ran, or a child held its output, after *timeout*.
        """
        stdout, stderr = self._popen.communicate(stdin, timeout=timeout)
        return Outcome(stdout, stderr, self._popen.returncode)


@contextlib.contextmanager
def start_python(
    code: str,
    *args: str,
    options: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Start *code*, as a script of its own, and give the running program.

    Args:
        code: the script; common indentation is removed.
        args: its ``sys.argv[1:]``.
        options: of the interpreter, before the script.
        env: added to the environment.
    """
    with tempfile.TemporaryDirectory(prefix="procession-test-") as folder:
        script = Path(folder, "program.py")
        script.write_text(textwrap.dedent(code))
        popen = subprocess.Popen(
            [*DIE_WITH_PARENT, sys.executable, *options, str(script), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        with popen:
            try:
                yield Program(popen)
            finally:
                kill_session(popen.pid)


def run_python(
    code: str,
    *args: str,
    stdin: str = "",
    timeout: float = 30.0,
    options: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run *code* as a script to its end; see `start_python` and `Program.finish`."""
    with start_python(code, *args, options=options, env=env) as program:
        return program.finish(stdin, timeout)


def session_members(leader: int) -> set[int]:
    """Return the processes of *leader*'s session that have not ended."""
    members = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid, _, rest = stat.read_text().partition(" (")
            state, _, _, session = rest.rpartition(") ")[2].split()[:4]
            if session == str(leader) and state != "Z":
                members.add(int(pid))
    return members


def kill_session(leader: int) -> None:
    """SIGKILL what lives of *leader*'s process group, its orphans included."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
