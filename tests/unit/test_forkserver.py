"""The fork server: what it imports, which requests it serves, which processes it outlives."""

import os
import socket
import struct
from typing import Any

import pytest

import procession
from procession import _core, forkserver
from procession._base import runtime
from procession.forkserver import _protocol
from procession.forkserver._protocol import (
    FAILED,
    Descriptors,
    Request,
    read_answer,
    receive,
    send,
)
from tests.support import Outcome, run_python

PRELOADING = """
import os, sys
import procession

with open("marked.py", "w") as file:
    file.write("import os; pid = os.getpid()")
with open("broken.py", "w") as file:
    file.write("raise ValueError('this module is broken')")

def where_it_was_imported():
    import marked
    return marked.pid == os.getppid()

if __name__ == "__main__":
    context = procession.get_context("forkserver")
    names, reaction = sys.argv[1].split(","), sys.argv[2]
    context.set_forkserver_preload(names, on_error=reaction)
    process = context.Process(target=where_it_was_imported, returns=True)
    try:
        process.start()
    except EOFError as error:
        print("no start:", error)
    else:
        print(process.result())
"""


def preloading(tmp_path: Any, names: str, reaction: str) -> Outcome:
    """Run the program above in a folder of its own, which is on its path."""
    code = f"import os, sys; os.chdir({str(tmp_path)!r}); sys.path[0] = os.getcwd()\n"
    return run_python(code + PRELOADING, names, reaction)


def test_what_is_named_is_imported_by_the_server(tmp_path: Any) -> None:
    """Its children find the module there, made in their parent's process."""
    assert preloading(tmp_path, "__main__,marked", "fail") == Outcome("True\n", "", 0)


def test_what_cannot_be_preloaded_is_ignored_unless_told_otherwise(tmp_path: Any) -> None:
    """The default; what a child needs it imports itself, and then the error is seen."""
    assert preloading(tmp_path, "broken,marked", "ignore") == Outcome("True\n", "", 0)


def test_what_cannot_be_preloaded_may_be_warned_of(tmp_path: Any) -> None:
    """On the server's standard error stream, which is the program's."""
    outcome = preloading(tmp_path, "broken,marked", "warn")

    assert (outcome.stdout, outcome.exitcode) == ("True\n", 0)
    assert "cannot preload 'broken': ValueError('this module is broken')" in outcome.stderr


def test_what_cannot_be_preloaded_may_end_the_server(tmp_path: Any) -> None:
    """Then nothing starts, and the module's own error has been shown."""
    outcome = preloading(tmp_path, "broken,marked", "fail")

    assert outcome.stdout.startswith("no start: the fork server ended"), outcome
    assert "ValueError: this module is broken" in outcome.stderr


def test_names_and_reactions_are_checked() -> None:
    """At once, not when the server starts."""
    context = procession.get_context("forkserver")
    with pytest.raises(TypeError, match="list of strings"):
        context.set_forkserver_preload([b"os"])
    with pytest.raises(ValueError, match="'ignore', 'warn' or 'fail', not 'shout'"):
        context.set_forkserver_preload(["os"], on_error="shout")


ASKS_FOR_IMPORTS = """
import sys
import procession

def imported_since_the_preload():
    import marked
    return sorted(name for name in set(sys.modules) - marked.names if "procession" in name)

if __name__ == "__main__":
    with open("marked.py", "w") as file:
        file.write("import sys; names = set(sys.modules)")
    context = procession.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "marked"], on_error="fail")
    for _ in range(2):  # by a fork, then by the prefork child
        process = context.Process(target=imported_since_the_preload, returns=True)
        process.start()
        print(process.result())
"""


def test_a_child_imports_nothing_of_the_package(tmp_path: Any) -> None:
    """The server has imported it: an import in each child would cost more than the fork."""
    code = f"import os, sys; os.chdir({str(tmp_path)!r}); sys.path[0] = os.getcwd()\n"

    outcome = run_python(code + ASKS_FOR_IMPORTS)

    assert outcome == Outcome("[]\n[]\n", "", 0)


# ---- which requests it serves


def start_one() -> None:
    """Start a process and wait for its end."""
    process = procession.get_context("forkserver").Process(target=int)
    process.start()
    process.join()
    assert process.exitcode == 0
    process.close()


def socket_to_the_server() -> socket.socket:
    """Return this process's end of the socket; the caller detaches it."""
    forkserver.ensure_running()
    return socket.socket(
        socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=runtime.inherited_fds["forkserver"]
    )


def refusal(key: bytes) -> int:
    """Ask the server for a child with *key*; return the errno of its refusal."""
    reader, writer = os.pipe()
    sock = socket_to_the_server()
    try:
        send(sock, Request(key, 0, b"no pickle"), Descriptors(writer, reader, []))
        os.close(writer)
        kind, _, number = read_answer(reader)
        assert kind == FAILED
        return number
    finally:
        sock.detach()
        os.close(reader)


def test_a_request_without_the_familys_key_is_refused() -> None:
    """A process that has the socket by accident is not of the family; nothing is unpickled."""
    assert refusal(bytes(16)) == 1  # EPERM
    start_one()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused() -> None:
    """Even with the key, by the kernel's word."""
    forkserver.ensure_running()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            key = _core.family_id()
            os.setuid(65534)
            code = 0 if refusal(key) == 1 else 2
        finally:
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    start_one()


@pytest.mark.parametrize("message", [b"x", struct.pack("=16sIBBBB", bytes(16), 0, 0, 0, 0, 0)])
def test_what_is_no_request_is_ignored(message: bytes) -> None:
    """Too short, or without the descriptors: the server goes on."""
    start_one()
    server = forkserver._forkserver._forkserver_pid
    sock = socket_to_the_server()
    try:
        sock.send(message)
    finally:
        sock.detach()

    start_one()
    assert forkserver._forkserver._forkserver_pid == server


HEADER = struct.pack("=16sIBBBB", bytes(16), 0, 0, 255, 0, 0)


@pytest.mark.parametrize(
    ("message", "descriptors", "words"),
    [
        (b"x", 2, "1 bytes with 2 descriptors are no request"),
        (HEADER, 1, "no request"),
        (HEADER[:20] + b"\0\0\1\0", 2, "no request"),  # its data are in a third one
        (HEADER[:20] + b"\0\3\0\0", 5, "no request"),  # the root is the fourth of three
        (HEADER + bytes(40_000), 2, "a part of a request was lost"),
    ],
)
def test_the_descriptors_of_what_is_no_request_are_closed(
    message: bytes, descriptors: int, words: str
) -> None:
    """And it is an error, also where assert statements are off."""
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    with client, server:
        socket.send_fds(client, [message], [writer] * descriptors)
        os.close(writer)
        with pytest.raises(ValueError, match=words):
            receive(server)
        assert os.read(reader, 1) == b""  # no write end is left
    os.close(reader)


def test_a_request_whose_descriptors_do_not_fit_is_an_error(monkeypatch: Any) -> None:
    """The kernel passes some and says so: these are closed."""
    monkeypatch.setattr(_protocol, "_ANCILLARY_BYTES", socket.CMSG_SPACE(2 * 4))
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    with client, server:
        socket.send_fds(client, [HEADER], [writer] * 5)
        os.close(writer)
        with pytest.raises(ValueError, match="a part of a request was lost"):
            receive(server)
        assert os.read(reader, 1) == b""
    os.close(reader)


# ---- which processes it outlives


@pytest.mark.orphans
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_server_survives_its_clients(method: str) -> None:
    """The kill of a client that is starting processes ends its own children alone."""
    outcome = run_python(
        """
        import sys
        import procession
        from procession import forkserver

        def start_for_ever(started):
            context = procession.get_context("forkserver")
            while True:
                context.Process(target=int).start()
                started.release()

        if __name__ == "__main__":
            context = procession.get_context("forkserver")
            forkserver.ensure_running()
            server, started = forkserver._forkserver._forkserver_pid, context.Semaphore(0)
            for _ in range(3):
                client = procession.get_context(sys.argv[1]).Process(
                    target=start_for_ever, args=(started,)
                )
                client.start()
                for _ in range(5):
                    assert started.acquire(timeout=20)
                client.kill()
                client.join()
                process = context.Process(target=sys.exit, args=(7,))
                process.start()
                process.join()
                assert process.exitcode == 7
            print(server == forkserver._forkserver._forkserver_pid)
        """,
        method,
    )

    assert outcome == Outcome("True\n", "", 0)
