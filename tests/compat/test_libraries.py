"""Libraries that use `multiprocessing` print the same with this package in its place.

Each is run twice: as it is, and under ``procession run``. ``make compat`` installs the versions
that requirements-compat.txt pins, in an environment of their own; where a library is not installed
its test is skipped.
"""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support import Outcome, wait_until
from tests.support.commands import run_command
from tests.support.programs import kill_session

pytestmark = [pytest.mark.bare, pytest.mark.orphans, pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAMS = Path(__file__).with_name("programs")
METHODS = ("fork", "spawn", "forkserver")
TIMEOUT = 240  # seconds, for one of the two runs
STANDARD: tuple[str, ...] = (sys.executable,)
OURS = (sys.executable, "-m", "procession", "run")
BOTH = (STANDARD, OURS)

# Program -> what must be installed for it.
NEEDS = {
    "joblib_parallel": ("joblib", "numpy"),
    "sklearn_jobs": ("joblib", "sklearn"),
    "tqdm_map": ("tqdm",),
    "dask_processes": ("dask",),
    "scipy_workers": ("scipy",),
    "emcee_pool": ("emcee",),
    "logging_children": ("multiprocessing_logging",),
    "pandarallel_apply": ("pandas", "pandarallel"),
    "torch_loader": ("torch",),
    "torch_multiprocessing": ("torch",),
}

BAD_STYLE = "import os\n\ndef function(a):\n  x = 1\n  return  a\n"


def require(*modules: str) -> None:
    """Skip the test that needs *modules* if one is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (make compat installs it)")


def run(how: tuple[str, ...], arguments: tuple[str, ...], folder: Path) -> Outcome:
    return run_command([*how, *arguments], folder, timeout=TIMEOUT)


def lines(outcome: Outcome) -> list[str]:
    """Return what was printed, in no order: children log when they come to it."""
    return sorted(outcome.stdout.splitlines())


def test_every_program_is_run() -> None:
    assert {path.stem for path in PROGRAMS.glob("*.py")} == {*NEEDS, "joblib_default"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NEEDS)
def test_a_library_gives_the_same(name: str, method: str, tmp_path: Path) -> None:
    """Under each start method."""
    require(*NEEDS[name])
    arguments = (str(PROGRAMS / f"{name}.py"), method)

    standard, ours = (run(how, arguments, tmp_path) for how in BOTH)

    assert standard.exitcode == 0, standard.stderr
    assert ours.exitcode == 0, ours.stderr
    assert standard.stdout
    assert lines(ours) == lines(standard)


def test_the_default_backend_of_joblib_gives_the_same(tmp_path: Path) -> None:
    """It is loky, whose workers are not started by a start method of `multiprocessing`."""
    require("joblib", "numpy")
    arguments = (str(PROGRAMS / "joblib_default.py"),)

    standard, ours = (run(how, arguments, tmp_path) for how in BOTH)

    assert standard.exitcode == 0, standard.stderr
    assert ours == standard


# ------------------------------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    "command",
    [("flake8", "-j", "2"), ("pylint", "-j", "2", "--persistent=n")],
    ids=lambda command: command[0],
)
def test_a_checker_with_jobs_finds_the_same(command: tuple[str, ...], tmp_path: Path) -> None:
    """And ends with the same exit code."""
    require(command[0])
    names = [f"module_{number}.py" for number in range(4)]
    for name in names:
        (tmp_path / name).write_text(BAD_STYLE)

    standard, ours = (run(how, ("-m", *command, *names), tmp_path) for how in BOTH)

    assert standard.exitcode != 0
    assert "module_3.py:4" in standard.stdout
    assert ours == standard


def test_black_with_workers_formats_the_same(tmp_path: Path) -> None:
    require("black")
    written = []
    for number, how in enumerate(BOTH):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in "abcd":
            (folder / f"{name}.py").write_text(BAD_STYLE)
        outcome = run(how, ("-m", "black", "--workers", "2", "."), folder)
        assert outcome.exitcode == 0, outcome.stderr
        written.append([(folder / f"{name}.py").read_text() for name in "abcd"])

    assert written[0] == written[1]
    assert written[0][0] != BAD_STYLE


def test_sphinx_with_jobs_writes_the_same(tmp_path: Path) -> None:
    """Its readers and writers are forked, in pieces of five pages and more."""
    require("sphinx")
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text("project = 'p'\nhtml_theme = 'basic'\n")
    pages = [f"page{number}" for number in range(12)]
    for page in pages:
        (source / f"{page}.rst").write_text(f"{page}\n=======\n\nSee :ref:`nowhere-{page}`.\n")
    contents = "".join(f"   {page}\n" for page in pages)
    (source / "index.rst").write_text(f"Top\n===\n\n.. toctree::\n\n{contents}")
    arguments = ("-m", "sphinx", "-n", "-j", "2", "-q", "-E", "source")

    standard, ours = (run(how, (*arguments, f"out{len(how)}"), tmp_path) for how in BOTH)

    assert (standard.exitcode, ours.exitcode) == (0, 0)
    assert standard.stderr.count("nowhere-page") == len(pages)
    assert sorted(ours.stderr.splitlines()) == sorted(standard.stderr.splitlines())
    assert digests(tmp_path / f"out{len(OURS)}") == digests(tmp_path / f"out{len(STANDARD)}")


def digests(folder: Path) -> dict[str, str]:
    """Return what is in the pages of *folder*, by their names."""
    pages = list(folder.glob("*.html"))
    assert len(pages) > 12
    return {page.name: hashlib.sha256(page.read_bytes()).hexdigest() for page in pages}


# ----------------------------------------------------------------------------------------- a server

APPLICATION = """
import multiprocessing

def double(number):
    return 2 * number

def application(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return [f"{multiprocessing.__name__} {pool.map(double, range(3))}".encode()]
"""


def test_gunicorn_serves_with_workers_that_have_pools(tmp_path: Path) -> None:
    """And nothing of them is left when it has been told to end."""
    require("gunicorn")
    (tmp_path / "served.py").write_text(APPLICATION)
    address = str(tmp_path / "s")
    command = ("-m", "gunicorn.app.wsgiapp", "-w", "2", "-b", f"unix:{address}")
    with serving((*command, "served:application"), tmp_path) as server:
        wait_until(lambda: os.path.exists(address), 30, "the server's socket")
        answers = [ask(socket.AF_UNIX, address) for _ in range(4)]
        server.send_signal(signal.SIGTERM)
        exitcode = server.wait(30)

    assert answers == ["procession [0, 2, 4]"] * 4
    assert exitcode == 0


ASYNCHRONOUS = """
import multiprocessing

from served import double

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        body = f"{multiprocessing.__name__} {pool.map(double, range(3))}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


def test_uvicorn_serves_with_workers_that_have_pools(tmp_path: Path) -> None:
    """It starts its workers by `multiprocessing` itself, with a listening socket as an argument."""
    require("uvicorn")
    (tmp_path / "served.py").write_text(APPLICATION)
    (tmp_path / "asynchronous.py").write_text(ASYNCHRONOUS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("-m", "uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning")
    with serving((*command, "asynchronous:application"), tmp_path) as server:
        wait_until(lambda: is_listening(port), 60, "the server's socket")
        answers = [ask(socket.AF_INET, ("127.0.0.1", port)) for _ in range(4)]
        server.send_signal(signal.SIGINT)
        exitcode = server.wait(30)

    assert answers == ["procession [0, 2, 4]"] * 4
    assert exitcode == 0


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def serving(command: tuple[str, ...], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server under this package; nothing of it is left afterwards."""
    server = subprocess.Popen(
        [*OURS, *command],
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        kill_session(server.pid)
        server.wait()


def ask(family: socket.AddressFamily, address: Any) -> str:
    """Ask the server at *address* for a page; its text."""
    with socket.socket(family) as client:
        client.settimeout(30)
        client.connect(address)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while more := client.recv(4096):
            answer += more
    return answer.decode().partition("\r\n\r\n")[2]
