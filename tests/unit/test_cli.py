"""``procession run X`` is ``python X``, but for the package that `multiprocessing` is."""

import os
import py_compile
import signal
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

import procession
from tests.support import Outcome
from tests.support.commands import run_command

# A program's fork server ends after the program: its end is collected here.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

METHODS = ("fork", "spawn", "forkserver")
PYTHON = (sys.executable,)
RUN = (sys.executable, "-m", "procession", "run")
SCRIPT = (str(Path(sys.executable).with_name("procession")), "run")

FACTS = """
import sys, __main__
shown = dict(globals())
del shown["sys"]
for name in sorted(shown):
    if name != "shown":
        value = shown[name]
        if name == "__spec__" and value:
            value = value.name, value.origin, value.cached, value.parent
        print(name, type(value) if name in ("__loader__", "__main__") else value)
print(sys.argv, sys.path[0], sys.path[1], __main__.__dict__ is globals())
print(sys.modules.get("__mp_main__", __main__) is __main__, sys.flags, sys.orig_argv[-1])
"""

FAMILY = """
import sys
import multiprocessing

def child(queue):
    queue.put((__name__, multiprocessing.__name__, child.__module__, sys.argv[1:]))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(*queue.get(timeout=20))
    process.join()
    print(process.exitcode)
"""


def write_programs(folder: Path, code: str) -> None:
    """Write *code* as every kind of program there is."""
    code = textwrap.dedent(code)
    (folder / "script.py").write_text(code)
    (folder / "no_suffix").write_text(code)
    (folder / "link.py").symlink_to(folder / "inner" / "module.py")
    (folder / "inner").mkdir()
    for name in ("__init__.py", "module.py", "__main__.py"):
        (folder / "inner" / name).write_text("" if name == "__init__.py" else code)
    py_compile.compile(str(folder / "script.py"), str(folder / "compiled.pyc"))
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", code)


KINDS = {
    "script": ["script.py"],
    "script, as written": ["./inner/../script.py"],
    "without a suffix": ["no_suffix"],
    "symbolic link": ["link.py"],
    "compiled": ["compiled.pyc"],
    "folder": ["inner"],
    "folder, with a slash": ["./inner/"],
    "archive": ["archive.zip"],
    "module": ["-m", "script"],
    "module of a package": ["-m", "inner.module"],
    "package": ["-m", "inner"],
    "standard input": ["-"],
}


def run(command: tuple[str, ...], arguments: list[str], folder: Path, stdin: str = "") -> Outcome:
    """Run a command with arguments in *folder* to its end."""
    return run_command([*command, *arguments], folder, stdin)


# -------------------------------------------------------- the program's view of the interpreter


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", ["", "-P"])
def test_a_program_finds_what_it_finds_under_the_interpreter(
    tmp_path: Path, kind: str, option: str
) -> None:
    """The main module's attributes, the arguments, the path: all the same, with either command."""
    write_programs(tmp_path, FACTS)
    arguments = [*KINDS[kind], "--flag", "-m", "last"]
    options = (option,) if option else ()

    expected = run((*PYTHON, *options), arguments, tmp_path, FACTS)
    outcome = run((sys.executable, *options, "-m", "procession", "run"), arguments, tmp_path, FACTS)

    assert outcome == expected
    if not option:
        assert run(SCRIPT, arguments, tmp_path, FACTS).stdout == expected.stdout


def test_code_on_the_command_line(tmp_path: Path) -> None:
    """With -c."""
    arguments = ["-c", FACTS, "--flag", "last"]

    assert run(RUN, arguments, tmp_path) == run(PYTHON, arguments, tmp_path)


# -------------------------------------------------------------------------------- how it can end

ENDS = {
    "well": "print('done')",
    "with an exit code": "import sys; sys.exit(3)",
    "with a message": "import sys; sys.exit('no use')",
    "with None": "raise SystemExit",
    "at once": "import os; os._exit(5)",
    "by an exception": "def f(): return 1 / 0\nf()",
    "by a chain of exceptions": "try:\n  1/0\nexcept Exception as e:\n  raise KeyError from e",
    "by a group of exceptions": "raise ExceptionGroup('two', [ValueError(1), KeyError(2)])",
    "by a syntax error": "print('never')\nx = = 3",
    "by an import that fails": "import no_such_module",
    "by Ctrl-C": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)",
    "by SIGTERM": "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)",
    "with its own hook": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_lineno)\n1/0",
    "with exit functions": "import atexit, sys\natexit.register(print, 'bye')\nsys.exit(4)",
    "after its threads": "import threading as t\nt.Timer(0.1, lambda: print('late')).start()\n1/0",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_as_it_does_under_the_interpreter(tmp_path: Path, end: str) -> None:
    """Exit code, output and traceback are the same; no frame of ours is in it."""
    (tmp_path / "program.py").write_text(ENDS[end])

    for arguments in (["program.py"], ["-m", "program"]):
        assert run(RUN, arguments, tmp_path) == run(PYTHON, arguments, tmp_path)


def test_an_interrupt_ends_a_program_by_the_signal(tmp_path: Path) -> None:
    """So that a shell loop around it ends as well."""
    assert run(RUN, ["-c", ENDS["by Ctrl-C"]], tmp_path).exitcode == -signal.SIGINT


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """The interpreter's message and its exit code."""
    expected = run(PYTHON, ["nothing.py"], tmp_path)
    outcome = run(RUN, ["nothing.py"], tmp_path)

    assert outcome.exitcode == expected.exitcode == 2
    assert outcome.stderr == expected.stderr.replace(sys.executable, "procession")


@pytest.mark.parametrize("arguments", [["-m", "nothing"], ["-m", "os.nothing"], ["empty"]])
def test_a_module_that_is_not_there(tmp_path: Path, arguments: list[str]) -> None:
    """A module, a part of one, a folder without a main."""
    (tmp_path / "empty").mkdir()

    assert run(RUN, arguments, tmp_path) == run(PYTHON, arguments, tmp_path)


# ------------------------------------------------------------------------------- the command itself


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run"], ["run", "-x"], ["run", "-m"]])
def test_a_wrong_command_line_is_answered_with_the_right_one(
    tmp_path: Path, arguments: list[str]
) -> None:
    """On stderr, with exit code 2."""
    outcome = run((*PYTHON, "-m", "procession"), arguments, tmp_path)

    assert outcome.exitcode == 2
    assert outcome.stderr.startswith("usage: procession run")
    assert outcome.stdout == ""


def test_version_and_help(tmp_path: Path) -> None:
    """On stdout."""
    command = (*PYTHON, "-m", "procession")

    assert run(command, ["--version"], tmp_path).stdout == f"procession {procession.__version__}\n"
    for arguments in (["--help"], ["run", "--help"]):
        outcome = run(command, arguments, tmp_path)
        assert outcome.exitcode == 0
        assert outcome.stdout.startswith("usage: procession run")


# -------------------------------------------------------------------------------------- its family


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["script", "symbolic link", "module", "module of a package"])
def test_children_of_a_program_have_the_stand_in(tmp_path: Path, kind: str, method: str) -> None:
    """And find the main module, under the name they would give it without us."""
    write_programs(tmp_path, FAMILY)
    arguments = [*KINDS[kind], method, "--flag"]

    outcome = run(RUN, arguments, tmp_path)

    expected = run(PYTHON, arguments, tmp_path).stdout
    assert outcome.stdout == expected.replace(" multiprocessing ", " procession "), outcome.stderr
    assert " procession " in outcome.stdout


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["folder", "archive", "package", "standard input", "code"])
def test_children_of_a_program_without_a_file_of_its_own(
    tmp_path: Path, kind: str, method: str
) -> None:
    """What they cannot import again is sent to them."""
    write_programs(tmp_path, FAMILY)
    arguments = ["-c", FAMILY] if kind == "code" else KINDS[kind]

    outcome = run(RUN, [*arguments, method], tmp_path, FAMILY)

    assert outcome.exitcode == 0, outcome.stderr
    assert " procession " in outcome.stdout
    assert outcome.stdout.endswith("\n0\n")


def test_a_program_in_the_current_folder_finds_modules_beside_it(tmp_path: Path) -> None:
    """In its children too, after the program has gone elsewhere."""
    (tmp_path / "beside.py").write_text("def child(): print(__name__)")
    code = """
        import multiprocessing, os, beside
        if __name__ == "__main__":
            os.chdir("/")
            process = multiprocessing.get_context("spawn").Process(target=beside.child)
            process.start()
            process.join()
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(code))

    for arguments in (["program.py"], ["-m", "program"], [os.path.join(tmp_path, "program.py")]):
        assert run(RUN, arguments, tmp_path).stdout == "beside\n"
