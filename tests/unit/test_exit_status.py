"""The exit code of a process that this one cannot wait for."""

import os
import signal

import pytest

from procession._launch import exit_status
from tests.support import run_python

pytestmark = pytest.mark.orphans


@pytest.mark.parametrize("status", [0, 7, -signal.SIGKILL, -signal.SIGTERM])
def test_the_exit_code_of_a_stranger(status: int) -> None:
    """Read while it is a zombie of another process, and from its pidfd when it was reaped."""
    outcome = run_python(
        """
        import os, signal, sys
        from procession._base import poll
        from procession._launch import exit_status

        status = int(sys.argv[1])
        hold, told = os.pipe(), os.pipe()
        parent = os.fork()
        if parent == 0:
            os.close(hold[1])
            child = os.fork()
            if child == 0:
                os.read(hold[0], 1)
                os.kill(os.getpid(), -status) if status < 0 else os._exit(status)
            os.write(told[1], child.to_bytes(4, "big"))
            signal.pause()
        child = int.from_bytes(os.read(told[0], 4), "big")
        pidfd = os.pidfd_open(child)
        os.close(hold[1])
        poll.wait_events(pidfd, 1)
        print(exit_status._from_zombie(pidfd, child), exit_status.exitcode_of(pidfd, child))
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        """,
        str(status),
    )

    raw = status << 8 if status >= 0 else -status
    assert outcome.stdout == f"{raw} {status}\n", outcome.stderr


def test_a_stranger_that_was_adopted_is_reaped() -> None:
    """A subreaper is the parent of its orphans: here, the test runner of the child's child."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            signal.pause()
        os.write(writer, pid.to_bytes(4, "big"))
        os._exit(0)
    os.waitpid(parent, 0)
    orphan = int.from_bytes(os.read(reader, 4), "big")
    pidfd = os.pidfd_open(orphan)
    os.kill(orphan, signal.SIGTERM)
    os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)

    assert exit_status.exitcode_of(pidfd, orphan) == -signal.SIGTERM

    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, 0)
    for fd in (reader, writer, pidfd):
        os.close(fd)
