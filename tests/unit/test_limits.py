"""Programs under limits of address space, of file sizes and of descriptors.

Idea: each program is a fresh interpreter that sets a limit and then does what programs do. The C
tests show how the core maps its memory under a limit; these show that a program works as it does
with the standard package, or is told in a sentence what to do.
"""

import errno
import os
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from procession import _core
from procession._launch import family_file
from tests.support.commands import run_command
from tests.support.programs import run_python
from tests.unit.test_examples import ROOT

# A program's fork server ends after the program: its end is collected here.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])

LIMITS = {
    "address space": "limit_address_space(600 << 20)",
    "descriptors": "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))",
    "files of 0 bytes": "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "files of 1 MB": "resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))",
}
EACH_LIMIT = pytest.mark.parametrize("limit", LIMITS)

SETUP = """
import os, resource, sys
import procession as mp

def limit_address_space(more):
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return limit
"""

WORK = """
def child(queue, lock, value):
    with lock:
        value.value += 1
    queue.put("small")
    queue.put(b"x" * (20 << 20))

def use_all(ctx):
    queue, lock, value = ctx.Queue(), ctx.Lock(), ctx.Value("i", 0)
    process = ctx.Process(target=child, args=(queue, lock, value))
    process.start()
    assert queue.get() == "small"
    assert len(queue.get()) == 20 << 20
    process.join()
    assert (process.exitcode, value.value) == (0, 1)
    with ctx.Pool(2) as pool:
        assert pool.map(abs, range(-50, 0)) == list(range(50, 0, -1))
        assert len(pool.apply(bytes, (20 << 20,))) == 20 << 20
    with ctx.Manager() as manager:
        assert manager.list([1, 2])[1] == 2
"""


def program(body: str, *arguments: str, setup: str = SETUP + WORK) -> str:
    """Run a program, which must end well; return what it printed."""
    outcome = run_python(f'{setup}\nif __name__ == "__main__":\n{body}', *arguments)
    assert outcome.exitcode == 0, outcome.stderr
    return outcome.stdout


@METHODS
@EACH_LIMIT
def test_a_program_works_under_a_limit(limit: str, method: str) -> None:
    program(
        f"""
    {LIMITS[limit]}
    use_all(mp.get_context(sys.argv[1]))
    print("done")
""",
        method,
    )


@METHODS
@pytest.mark.slow
@EACH_LIMIT
def test_the_tutorial_under_a_limit(limit: str, method: str, tmp_path: Path) -> None:
    """Each program prints the same as without the limit, but for process ids."""
    runner = tmp_path / "limited.py"
    runner.write_text(f"""{SETUP}
import runpy
if sys.argv.pop(1) == "limited":
    {LIMITS[limit]}
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
""")
    for path in sorted(Path(ROOT, "examples", "tutorial").glob("*.py")):
        seen = []
        for kind in ("unlimited", "limited"):
            command = [sys.executable, str(runner), kind, str(path), method]
            outcome = run_command(command, ROOT, timeout=50)
            lines = sorted(re.sub(r"\d+", "N", outcome.stdout).splitlines())
            seen.append((outcome.exitcode, lines))
        assert seen[0] == seen[1], f"{path.name}: {outcome.stderr}"


@METHODS
def test_a_hard_limit_of_file_sizes_leaves_fork(method: str) -> None:
    """Nothing may raise the limit: there is no file that a new interpreter could be given."""
    printed = program(
        """
    import ctypes
    if "dropped" not in sys.argv:
        for capability in (21, 24, 40):  # CAP_SYS_ADMIN, CAP_SYS_RESOURCE, CAP_CHECKPOINT_RESTORE
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
        os.execv(sys.executable, [sys.executable, *sys.argv, "dropped"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        use_all(mp.get_context(sys.argv[1]))
        print("works")
    except OSError as error:
        print(error)
""",
        method,
    )

    if method == "fork":
        assert printed == "works\n"
    else:
        assert "raise the limit to 1 GiB or more before" in printed


@METHODS
def test_the_library_needs_little_address_space(method: str) -> None:
    """Fifty megabytes at most, of which most are held back for bad times."""
    program(
        """
    def size():
        return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    ctx = mp.get_context(sys.argv[1])
    before = size()
    queue = ctx.Queue()
    queue.put(1)
    assert queue.get() == 1
    assert size() - before < 50_000_000, size() - before
""",
        method,
    )


@METHODS
def test_a_limit_that_a_worker_sets_holds_for_it_alone(method: str) -> None:
    printed = program(
        """
    with mp.get_context(sys.argv[1]).Pool(2, limit_address_space, (600 << 20,)) as pool:
        assert pool.apply(allocate, (300 << 20,)) == 300 << 20
        try:
            pool.apply(allocate, (4 << 30,))
        except MemoryError:
            print("refused")
        assert pool.apply(allocate, (1,)) == 1
    assert allocate(700 << 20) == 700 << 20
""",
        method,
        setup=SETUP
        + """
def allocate(size):
    return len(bytearray(size))
""",
    )

    assert printed == "refused\n"


@METHODS
def test_what_does_not_fit_is_an_error_that_names_the_limit(method: str) -> None:
    """The receiver has too little room for a message; it stays in the queue, for others."""
    printed = program(
        """
    ctx = mp.get_context(sys.argv[1])
    queue, told, go_on = ctx.Queue(), ctx.SimpleQueue(), ctx.SimpleQueue()
    process = ctx.Process(target=receive, args=(queue, told, go_on))
    process.start()
    assert told.get() == "limited"
    queue.put(b"x" * (300 << 20))
    print(told.get())
    assert len(queue.get()) == 300 << 20
    queue.put("small")
    go_on.put(None)
    process.join()
    print(process.exitcode)
""",
        method,
        setup=SETUP
        + """
def receive(queue, told, go_on):
    limit = limit_address_space(200 << 20)
    told.put("limited")
    try:
        queue.get()
    except MemoryError as error:
        told.put(str(error).replace(str(limit), "LIMIT"))
    go_on.get()
    assert queue.get() == "small"
""",
    )

    text, code = printed.splitlines()
    assert "RLIMIT_AS limits to LIMIT bytes" in text
    assert code == "0"


@METHODS
def test_a_large_dict_does_not_fit_into_every_process(method: str) -> None:
    """The error says so; it is not taken for damage, and the dict is as before."""
    printed = program(
        """
    ctx = mp.get_context(sys.argv[1])
    begin, told, numbers = ctx.SimpleQueue(), ctx.SimpleQueue(), shared.Dict()
    process = ctx.Process(target=look, args=(begin, told, numbers))
    process.start()
    told.get()
    numbers.update((n, n) for n in range(200_000))
    begin.put(None)
    print(told.get())
    process.join()
    print(process.exitcode, numbers[1000], len(numbers))
""",
        method,
        setup=SETUP
        + """
from procession import shared

def look(begin, told, numbers):
    told.put("ready")
    begin.get()
    limit_address_space(1 << 20)
    try:
        told.put(numbers[1000])
    except BaseException as error:
        told.put(type(error).__name__)
    assert len(numbers) == 200_000  # a little is held back for what cannot fail
""",
    )

    assert printed.split() == ["MemoryError", "0", "1000", "200000"]


# -------------------------------------------------------------------------- closed descriptors


CLOSE = 'os.closerange(3, 65536); open("/dev/null"); files = [open("/dev/null") for _ in range(70)]'


@pytest.mark.parametrize("where", ["child", "parent and child"])
def test_memory_grows_without_its_descriptor(where: str) -> None:
    """Other files have the numbers now; they are left alone."""
    program(f"""
    ctx = mp.get_context("fork")
    queue, lock, value = ctx.Queue(), ctx.Lock(), ctx.Value("i", 0)
    read, write = ctx.SimpleQueue(), ctx.SimpleQueue()

    def work():
        {CLOSE}
        for _ in range(5):
            child(queue, lock, value)
        assert read.get() == "go on"
        for file in files:
            assert file.read() == ""
        write.put("done")

    process = ctx.Process(target=work)
    process.start()
    for _ in range(5):
        assert queue.get() == "small"
        assert len(queue.get()) == 20 << 20
    if {where!r} == "parent and child":
        os.close(mp._core.family_fd())
        queue.put(b"x" * (60 << 20))
        assert len(queue.get()) == 60 << 20
    read.put("go on")
    assert write.get() == "done"
    process.join()
    assert (process.exitcode, value.value) == (0, 5)
""")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_the_descriptor_is_had_again_from_another_member(method: str) -> None:
    program(
        """
    ctx = mp.get_context("fork")
    begin = ctx.SimpleQueue()
    other = ctx.Process(target=begin.get)
    other.start()
    os.close(mp._core.family_fd())
    open("/dev/null")
    use_all(mp.get_context(sys.argv[1]))
    begin.put(None)
    other.join()
    assert other.exitcode == 0
""",
        method,
    )


def in_child(work: Callable[[], object]) -> int:
    """Run *work* in a fork; return its exit code, 0 unless it raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_without_any_descriptor_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family_file, "_names", lambda folder: [])

    def close_and_ask() -> None:
        os.close(_core.family_fd())
        with pytest.raises(OSError, match="start method fork") as caught:
            family_file.descriptor()
        assert caught.value.errno == errno.EBADF

    assert in_child(close_and_ask) == 0


def test_a_file_of_another_kind_is_not_taken_for_the_arena() -> None:
    def close_and_offer() -> None:
        os.close(_core.family_fd())
        null = os.open("/dev/null", os.O_RDWR)
        assert not _core.reopen_family(null)
        assert _core.family_fd() == -1
        os.fstat(null)  # it is not closed

    assert in_child(close_and_offer) == 0


def test_a_memory_file_may_be_larger_than_files_may_be() -> None:
    """Where the limit can be raised for a moment, it is, and is the same afterwards."""

    def write_under_a_limit() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        with open(_core.memory_file(b"data" * 1000), "rb") as file:
            assert file.read() == b"data" * 1000
        assert resource.getrlimit(resource.RLIMIT_FSIZE) == (0, hard)

    assert in_child(write_under_a_limit) == 0
