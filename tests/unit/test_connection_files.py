"""The files of Unix sockets: private; removed, by the tracker if no other process is left."""

import os
import signal
import stat
from pathlib import Path

import pytest

from procession.connection import Client, Listener
from tests.support.programs import run_python, start_python
from tests.support.waiting import wait_until

# The tracker of a program that has ended comes to the test process, and ends.
pytestmark = [pytest.mark.bare, pytest.mark.orphans, pytest.mark.usefixtures("tracker")]


def test_the_socket_file_is_private_and_goes_with_the_listener(tmp_path: Path) -> None:
    with Listener() as listener:
        folder = os.path.dirname(listener.address)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert os.path.exists(listener.address)
        address = listener.address
    assert not os.path.exists(address)

    path = str(tmp_path / "named")
    listener = Listener(path)
    assert os.path.exists(path)
    del listener
    assert not os.path.exists(path)


def test_a_file_that_is_not_the_listeners_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = Listener(str(path))
    path.unlink()
    with Listener(str(path)):
        first.close()
        assert path.exists()
    gone = Listener(str(path))
    path.unlink()
    gone.close()


def test_a_listener_that_cannot_listen_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with pytest.raises(TypeError):
        Listener(str(path), backlog="many")  # type: ignore[arg-type]
    assert not path.exists()


def test_paths_may_be_relative_bytes_and_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path
    for _ in range(12):  # deeper than the tracker can be told of
        folder /= "x" * 200
        monkeypatch.chdir(folder.parent)
        folder.mkdir()
    monkeypatch.chdir(folder)
    for address in ("relative", b"in bytes"):
        with Listener(address, "AF_UNIX") as listener:
            assert os.path.exists(address)
            Client(listener.address, "AF_UNIX").close()
        assert not os.path.exists(address)


def test_a_long_temporary_folder_is_no_trouble(tmp_path: Path) -> None:
    """Its socket's path would not fit into an address, so the folder is elsewhere."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    outcome = run_python(
        """
        import os, sys
        os.environ["TMPDIR"] = sys.argv[1]
        from procession.connection import Client, Listener
        with Listener() as listener, Client(listener.address):
            print(listener.address)
        """,
        str(long),
    )
    assert outcome.exitcode == 0, outcome.stderr
    assert outcome.stdout.startswith("/tmp/")
    assert not os.path.exists(os.path.dirname(outcome.stdout.strip()))


LISTENERS = """
    import os, signal, sys
    from procession import resource_tracker
    from procession.connection import Listener

    def listen():
        return Listener(sys.argv[1]), Listener()
"""


def test_a_program_that_ends_leaves_no_socket_file(tmp_path: Path) -> None:
    outcome = run_python(
        LISTENERS
        + """
    named, fresh = listen()
    print(fresh.address)
    """,
        str(tmp_path / "named"),
    )
    assert (outcome.exitcode, outcome.stderr) == (0, "")
    assert not os.path.exists(os.path.dirname(outcome.stdout.strip()))
    assert list(tmp_path.iterdir()) == []


def test_a_killed_family_leaves_no_socket_file(tmp_path: Path) -> None:
    """Not while a child of it lives, which may be listening."""
    path = tmp_path / "named"
    code = (
        LISTENERS
        + """
    named, fresh = listen()
    child = os.fork()
    if child == 0:
        signal.pause()
    print(fresh.address, child, flush=True)
    signal.pause()
    """
    )
    with start_python(code, str(path)) as program:
        address, child = program.read_line().split()
        program.kill()
        assert path.exists()
        assert os.path.exists(address)
        os.kill(int(child), signal.SIGKILL)
        wait_until(lambda: not path.exists(), 10)
        wait_until(lambda: not os.path.exists(os.path.dirname(address)), 10)


# Where a family is killed: the call after which the file, or the folder, is there.
@pytest.mark.parametrize("step", ["sock.bind", "os.mkdir"])
def test_a_family_that_is_killed_in_the_making_leaves_none(tmp_path: Path, step: str) -> None:
    path, temporary = tmp_path / "named", tmp_path / "temporary"
    temporary.mkdir()
    code = (
        LISTENERS
        + """
    import socket
    os.environ["TMPDIR"] = sys.argv[2]

    def and_die(call):
        def called(*args, **kwargs):
            call(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return called

    if sys.argv[3] == "os.mkdir":
        os.mkdir = and_die(os.mkdir)
    else:
        socket.socket.bind = and_die(socket.socket.bind)
    listen()
    """
    )
    outcome = run_python(code, str(path), str(temporary), step)
    assert outcome.exitcode == -signal.SIGKILL
    wait_until(lambda: not path.exists() and not list(temporary.iterdir()), 10)


def test_who_fails_to_take_an_address_does_not_make_it_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "named"
    code = (
        LISTENERS
        + """
    named, fresh = listen()
    try:
        Listener(sys.argv[1])
    except OSError:
        os.kill(os.getpid(), signal.SIGKILL)
    """
    )
    outcome = run_python(code, str(path))
    assert outcome.exitcode == -signal.SIGKILL
    wait_until(lambda: not path.exists(), 10)


def test_what_others_have_made_of_the_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "named"
    code = (
        LISTENERS
        + """
    named, fresh = listen()
    print(fresh.address, flush=True)
    os.unlink(sys.argv[1])
    open(sys.argv[1], "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
    """
    )
    outcome = run_python(code, str(path))
    wait_until(lambda: not os.path.exists(os.path.dirname(outcome.stdout.strip())), 10)
    assert path.exists()
