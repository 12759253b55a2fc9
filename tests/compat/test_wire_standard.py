"""Connections to the standard library itself, of every version that can be found here, both ways.

The standard library runs in a process of its own, under its own interpreter, where this package is
not on the path.
"""

import contextlib
import functools
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from procession import AuthenticationError
from procession.connection import (
    Client,
    Listener,
    Pipe,
    address_type,
    answer_challenge,
    deliver_challenge,
)
from procession.connection import _framing as wire  # type: ignore[attr-defined]
from tests.support.connecting import FAMILIES, beside

pytestmark = [pytest.mark.bare, pytest.mark.usefixtures("tracker")]

KEY = b"shared by both libraries"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

# What is sent to and fro: each kind of header and of write, and the edges between them.
SIZES = (0, 1, 255, 256, 16_384, 16_385, 65_536, 70_000, 1_000_000)
THRESHOLD = 20_000  # stands for 2 GiB, see test_long_messages_are_understood


@functools.cache
def interpreters() -> dict[str, str]:
    """The interpreters that can be found: of the path, and of pyenv where that is used."""
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    own = "{}.{}".format(*sys.version_info[:2])
    found = {own: sys.executable}
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}")]
        candidates += sorted(glob.glob(f"{root}/versions/{version}.*/bin/python"))
        for candidate in filter(None, candidates):
            if version not in found and _works(candidate, version):
                found[version] = candidate
    return found


def _works(python: str, version: str) -> bool:
    """Whether *python* is an interpreter of that version (and no shim that refuses to be one)."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    outcome = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return outcome.stdout.strip() == version


COMMON = """
import ast, sys
from multiprocessing.connection import Client, Listener
from multiprocessing import AuthenticationError
assert "procession" not in sys.modules
address, family, key = ast.literal_eval(sys.argv[1])

def talk(connection):
    while True:
        try:
            how, message = connection.recv()
        except EOFError:
            return
        if how == "object":
            connection.send(message)
        elif how == "bytes":
            connection.send_bytes(connection.recv_bytes())
        elif how == "long":
            connection.send(len(connection.recv_bytes()))
"""

SERVER = (
    COMMON
    + """
with Listener(address, family=family, authkey=key) as listener:
    print(repr(listener.address), flush=True)
    try:
        with listener.accept() as connection:
            talk(connection)
        print("done")
    except AuthenticationError:
        print("refused")
"""
)

CLIENT = (
    COMMON
    + """
try:
    with Client(address, authkey=key) as connection:
        talk(connection)
    print("done")
except AuthenticationError:
    print("refused")
"""
)


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter of each version; this test run's own is one of them."""
    if request.param not in interpreters():
        pytest.skip(f"there is no Python {request.param} here")
    return interpreters()[request.param]


@contextlib.contextmanager
def standard(
    python: str, program: str, address: Any, family: str, key: bytes | None
) -> "Iterator[subprocess.Popen[str]]":
    """Run *program* with the standard library of *python*."""
    argument = repr((address, family, key))
    with subprocess.Popen(
        [python, "-I", "-c", program, argument], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def last_word(process: "subprocess.Popen[str]") -> str:
    return process.communicate(timeout=20)[0].strip()


def converse(connection: Any) -> None:
    """Everything that can be sent comes back as it was."""
    for obj in (None, {"a": [1, 2.5, "text"]}, b"x" * 100_000, ["y" * 70_000] * 3):
        connection.send(("object", obj))
        assert connection.recv() == obj
    for size in SIZES:
        message = os.urandom(size)
        connection.send(("bytes", None))
        with beside(connection.send_bytes, message):
            assert connection.recv_bytes() == message


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
@pytest.mark.parametrize("family", ["AF_UNIX", "AF_INET"])
def test_our_client_speaks_with_a_standard_listener(
    python: str, family: str, key: bytes | None
) -> None:
    with standard(python, SERVER, None, family, key) as server:
        assert server.stdout is not None
        address = eval(server.stdout.readline(), {})  # a literal that the program above wrote
        with Client(address, authkey=key) as connection:
            converse(connection)
        assert last_word(server) == "done"


def test_our_client_speaks_with_a_standard_listener_in_the_abstract_namespace(python: str) -> None:
    address = f"\0procession-standard-{os.getpid()}"
    with standard(python, SERVER, address, "AF_UNIX", KEY) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with Client(address, authkey=KEY) as connection:
            converse(connection)
        assert last_word(server) == "done"


@pytest.mark.skipif("AF_INET6" not in FAMILIES, reason="there is no IPv6 here")
def test_our_client_speaks_with_a_standard_listener_over_ipv6(python: str) -> None:
    """A standard listener can be had for it; a standard client cannot."""
    with standard(python, SERVER, ("::1", 0), "AF_INET6", KEY) as server:
        assert server.stdout is not None
        address = eval(server.stdout.readline(), {})
        for form in (address, address[:2]):
            assert address_type(form) == "AF_INET6"
        with Client(address, authkey=KEY) as connection:
            converse(connection)
        assert last_word(server) == "done"


def test_a_standard_client_finds_our_listener_in_the_abstract_namespace(python: str) -> None:
    with (
        Listener(f"\0procession-ours-{os.getpid()}", authkey=KEY) as listener,
        standard(python, CLIENT, listener.address, "AF_UNIX", KEY) as client,
    ):
        with listener.accept(20) as connection:
            converse(connection)
        assert last_word(client) == "done"


CHALLENGES = """
import ast, socket, sys
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
number, key, asks_first = ast.literal_eval(sys.argv[1])
connection = Connection(number)
for step in (deliver_challenge, answer_challenge)[:: 1 if asks_first else -1]:
    step(connection, key)
print("done")
"""


@pytest.mark.parametrize("asks_first", [True, False])
def test_challenges_are_given_and_taken_over_any_connection(python: str, asks_first: bool) -> None:
    ours, theirs = Pipe()
    with ours, theirs:
        argument = repr((theirs.fileno(), KEY, asks_first))
        with subprocess.Popen(
            [python, "-I", "-c", CHALLENGES, argument],
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[theirs.fileno()],
        ) as process:
            for step in (answer_challenge, deliver_challenge)[:: 1 if asks_first else -1]:
                step(ours, KEY)
            assert last_word(process) == "done"


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
@pytest.mark.parametrize("family", ["AF_UNIX", "AF_INET"])
def test_a_standard_client_speaks_with_our_listener(
    python: str, family: str, key: bytes | None
) -> None:
    with (
        Listener(family=family, authkey=key) as listener,
        standard(python, CLIENT, listener.address, family, key) as client,
    ):
        with listener.accept(20) as connection:
            converse(connection)
        assert last_word(client) == "done"


def test_a_standard_listener_and_our_client_refuse_each_other(python: str) -> None:
    with standard(python, SERVER, None, "AF_UNIX", KEY) as server:
        assert server.stdout is not None
        address = eval(server.stdout.readline(), {})
        with pytest.raises(AuthenticationError):
            Client(address, authkey=b"wrong")
        assert last_word(server) == "refused"


def test_our_listener_and_a_standard_client_refuse_each_other(python: str) -> None:
    with (
        Listener(authkey=KEY) as listener,
        standard(python, CLIENT, listener.address, "AF_UNIX", b"wrong") as client,
    ):
        with pytest.raises(AuthenticationError):
            listener.accept(20)
        assert last_word(client) == "refused"


def test_long_messages_are_understood(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of messages over 2 GiB, without the 2 GiB: any length may be given so."""
    monkeypatch.setattr(wire, "LONGEST_SHORT", THRESHOLD)
    with standard(python, SERVER, None, "AF_UNIX", KEY) as server:
        assert server.stdout is not None
        address = eval(server.stdout.readline(), {})
        with Client(address, authkey=KEY) as connection:
            connection.send(("long", None))
            connection.send_bytes(bytes(THRESHOLD + 1))
            assert connection.recv() == THRESHOLD + 1


@pytest.mark.skipif(
    "3.12" not in interpreters() or "3.11" not in interpreters(), reason="needs 3.11 and 3.12"
)
def test_both_ages_of_the_protocol_are_there_to_be_tested() -> None:
    """MD5 without a name (3.11), SHA-256 with one (3.12): that is what the tests above met."""
    program = "import multiprocessing.connection as c; print(c.MESSAGE_LENGTH)"
    lengths = {
        version: subprocess.run(
            [interpreters()[version], "-I", "-c", program],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for version in ("3.11", "3.12")
    }
    assert lengths == {"3.11": "20", "3.12": "40"}
