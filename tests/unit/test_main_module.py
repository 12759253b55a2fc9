"""The main module, however a program was started: its things reach the children, and come back."""

import os
import pty
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import run_command
from tests.support.programs import Outcome, kill_session

# Programs of their own; the fork server of one may end after it.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

METHODS = ["fork", "spawn", "forkserver"]
FRESH = ["spawn", "forkserver"]

DEFINITIONS = """\
import sys
import procession

class Thing:
    made = 0
    def __init__(self, value):
        self.value = value

def twice(thing):
    Thing.made = 100
    return Thing(thing.value * 2)

def work(method):
    Thing.made = 1
    context = procession.get_context(method)
    process = context.Process(target=twice, args=(Thing(21),), returns=True)
    process.start()
    thing = process.result(30)
    print(thing.value, type(thing) is Thing, Thing.made)
    process = context.Process(target=lambda x: x + thing.value, args=(1,), returns=True)
    process.start()
    print(process.result(30))

"""
GUARD = "if __name__ == '__main__':\n    work(sys.argv[1])\n"
WORKED = "42 True 1\n43\n"


def python(*args: str, cwd: Path, stdin: str = "") -> Outcome:
    return run_command([sys.executable, *args], cwd, stdin)


def as_script(folder: Path, method: str) -> Outcome:
    (folder / "program.py").write_text(DEFINITIONS + GUARD)
    return python("program.py", method, cwd=folder)


def as_script_without_suffix(folder: Path, method: str) -> Outcome:
    (folder / "program").write_text(DEFINITIONS + GUARD)
    return python(str(folder / "program"), method, cwd=folder.parent)


def as_compiled_script(folder: Path, method: str) -> Outcome:
    (folder / "program.py").write_text(DEFINITIONS + GUARD)
    python("-c", "import py_compile; py_compile.compile('program.py', 'compiled.pyc')", cwd=folder)
    (folder / "program.py").unlink()
    return python("compiled.pyc", method, cwd=folder)


def as_module(folder: Path, method: str) -> Outcome:
    (folder / "program.py").write_text(DEFINITIONS + GUARD)
    return python("-m", "program", method, cwd=folder)


def as_module_of_a_package(folder: Path, method: str) -> Outcome:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "other.py").write_text("number = 1\n")
    (folder / "package" / "program.py").write_text(
        "from .other import number\n" + DEFINITIONS + GUARD
    )
    return python("-m", "package.program", method, cwd=folder)


def as_package(folder: Path, method: str) -> Outcome:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "__main__.py").write_text(DEFINITIONS + GUARD)
    return python("-m", "package", method, cwd=folder)


def as_package_without_guard(folder: Path, method: str) -> Outcome:
    """A ``__main__.py`` usually has none."""
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "__main__.py").write_text(DEFINITIONS + "work(sys.argv[1])\n")
    return python("-m", "package", method, cwd=folder)


def as_folder(folder: Path, method: str) -> Outcome:
    (folder / "program").mkdir()
    (folder / "program" / "__main__.py").write_text(DEFINITIONS + GUARD)
    return python("program", method, cwd=folder)


def as_archive(folder: Path, method: str) -> Outcome:
    with zipfile.ZipFile(folder / "program.zip", "w") as archive:
        archive.writestr("__main__.py", DEFINITIONS + GUARD)
    return python("program.zip", method, cwd=folder)


def as_module_in_an_archive(folder: Path, method: str) -> Outcome:
    with zipfile.ZipFile(folder / "program.zip", "w") as archive:
        archive.writestr("code.py", DEFINITIONS)
        archive.writestr("__main__.py", "import sys, code\ncode.work(sys.argv[1])\n")
    return python("program.zip", method, cwd=folder)


def as_command(folder: Path, method: str) -> Outcome:
    return python("-c", DEFINITIONS + GUARD, method, cwd=folder)


def as_input(folder: Path, method: str) -> Outcome:
    return python("-", method, cwd=folder, stdin=DEFINITIONS + GUARD)


def at_a_prompt(folder: Path, method: str) -> Outcome:
    outcome = python("-i", "-q", cwd=folder, stdin=f"{DEFINITIONS}work({method!r})\n")
    return Outcome(outcome.stdout, "", outcome.exitcode)  # its prompts are on standard error


def at_a_prompt_after_a_script(folder: Path, method: str) -> Outcome:
    (folder / "program.py").write_text(DEFINITIONS + "work = work\n")
    outcome = python("-i", "program.py", cwd=folder, stdin=f"work({method!r})\n")
    return Outcome(outcome.stdout, "", outcome.exitcode)


def executed_without_a_file(folder: Path, method: str) -> Outcome:
    (folder / "text").write_text(DEFINITIONS + GUARD)
    code = "import sys; exec(open('text').read(), sys.modules['__main__'].__dict__)"
    return python("-c", code, method, cwd=folder)


def executed_in_a_namespace_of_its_own(folder: Path, method: str) -> Outcome:
    (folder / "text").write_text(DEFINITIONS + "work(sys.argv[1])\n")
    code = (
        "import sys\nif __name__ == '__main__':\n    exec(open('text').read(), {'__name__': 'x'})"
    )
    (folder / "program.py").write_text(code)
    return python("program.py", method, cwd=folder)


def by_runpy(folder: Path, method: str) -> Outcome:
    (folder / "program.py").write_text(DEFINITIONS + GUARD)
    code = "import runpy; runpy.run_path('program.py', run_name='__main__')"
    return python("-c", code, method, cwd=folder)


def by_procession_run(folder: Path, method: str) -> Outcome:
    (folder / "program.py").write_text(DEFINITIONS + GUARD)
    return python("-m", "procession", "run", "program.py", method, cwd=folder)


NOTEBOOK = """
import sys, types
user_module = types.ModuleType("__main__")
user_module.get_ipython = lambda: None
sys.modules["__main__"] = user_module
sys.ps1 = "In : "
cells = open("cells").read().split("# cell\\n")
for number, cell in enumerate(cells):
    exec(compile(cell, f"<ipython-input-{number}>", "exec"), vars(user_module))
"""


def in_a_notebook(folder: Path, method: str) -> Outcome:
    """As IPython does it: a main module made by hand, of which no file knows."""
    (folder / "cells").write_text(f"{DEFINITIONS}# cell\nwork({method!r})\n")
    (folder / "ipython.py").write_text(NOTEBOOK)
    return python("ipython.py", cwd=folder)


WAYS: list[Callable[[Path, str], Outcome]] = [
    as_script,
    as_script_without_suffix,
    as_compiled_script,
    as_module,
    as_module_of_a_package,
    as_package,
    as_package_without_guard,
    as_folder,
    as_archive,
    as_module_in_an_archive,
    as_command,
    as_input,
    at_a_prompt,
    at_a_prompt_after_a_script,
    executed_without_a_file,
    by_runpy,
    by_procession_run,
    in_a_notebook,
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_things_of_the_main_module_are_sent(
    way: Callable[[Path, str], Outcome], method: str, tmp_path: Path
) -> None:
    """They go there and back, and are of the same class, which the child has not changed."""
    outcome = way(tmp_path, method)

    assert (outcome.stdout, outcome.stderr, outcome.exitcode) == (WORKED, "", 0)


@pytest.mark.parametrize("method", FRESH)
def test_what_was_executed_in_a_namespace_of_its_own_is_sent(method: str, tmp_path: Path) -> None:
    """It is in no module at all."""
    outcome = executed_in_a_namespace_of_its_own(tmp_path, method)

    assert (outcome.stdout, outcome.stderr) == (WORKED, "")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_what_was_typed_at_a_terminal_is_sent(method: str, terminal: str, tmp_path: Path) -> None:
    """The prompt is the plain one, and the newer one that edits lines (from 3.13 on)."""
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    typed = f"exec(open('definitions.py').read())\nwork({method!r})\nexit()"
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-q"],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": terminal, "PYTHON_HISTORY": str(tmp_path / "history")},
        start_new_session=True,
    )
    os.close(slave)
    with process:
        try:
            printed = converse(master, typed.splitlines())
            assert process.wait(30) == 0
        finally:
            kill_session(process.pid)
            os.close(master)
    assert "42 True 1" in printed
    assert "43" in printed


def converse(terminal: int, lines: list[str]) -> str:
    """Type *lines*, each when the prompt for it is there; return what was shown."""
    shown = ""
    for prompts, line in enumerate(lines, 1):
        while shown.count(">>> ") < prompts:
            shown += os.read(terminal, 4096).decode(errors="replace")
        os.write(terminal, line.encode() + b"\r")
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk.decode(errors="replace")
    except OSError:  # the other side is closed
        pass
    return shown


@pytest.mark.parametrize("method", FRESH)
@pytest.mark.parametrize("way", ["script", "module"])
def test_a_missing_guard_is_shown(way: str, method: str, tmp_path: Path) -> None:
    """The error shows once the line that must be guarded, and how; nothing hangs."""
    (tmp_path / "program.py").write_text(DEFINITIONS + f"work({method!r})  # unguarded\n")

    outcome = python(*(["program.py"] if way == "script" else ["-m", "program"]), cwd=tmp_path)

    assert outcome.exitcode == 1
    assert f"line {len(DEFINITIONS.splitlines()) + 1}\n    work({method!r})  # unguarded" in (
        outcome.stderr
    )
    assert "if __name__ == '__main__':" in outcome.stderr
    assert outcome.stderr.count("has been made to start") == 1


@pytest.mark.parametrize("method", FRESH)
def test_the_working_folder_hides_no_module_from_a_child(method: str, tmp_path: Path) -> None:
    """It is not on the path of a script that lies elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "program.py").write_text(DEFINITIONS + GUARD)
    (tmp_path / "here").mkdir()
    for name in ("socket", "signal", "weakref", "threading", "selectors", "procession"):
        (tmp_path / "here" / f"{name}.py").write_text("raise ImportError('not this one')\n")

    outcome = python("../elsewhere/program.py", method, cwd=tmp_path / "here")

    assert (outcome.stdout, outcome.stderr) == (WORKED, "")


# -------------------------------------------------------------- a real notebook, where there is one

CELLS = [
    DEFINITIONS,
    "work({method!r})",
    "with procession.get_context({method!r}).Pool(2) as pool:\n"
    "    things = pool.map(twice, [Thing(1), Thing(2)])\n"
    "print([thing.value for thing in things], type(things[0]) is Thing)",
]


@pytest.mark.leaks("the client of Jupyter keeps its event loop")
@pytest.mark.parametrize("method", METHODS)
def test_the_cells_of_a_notebook(method: str, tmp_path: Path) -> None:
    """A kernel of Jupyter runs them."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    sources = [cell.replace("{method!r}", repr(method)) for cell in CELLS]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])

    nbclient.NotebookClient(book, timeout=50, kernel_name="python3").execute()

    outputs = [output for cell in book.cells for output in cell.outputs]
    printed = "".join(each["text"] for each in outputs if each.get("name") == "stdout")
    assert printed == WORKED + "[2, 4] True\n"


@pytest.mark.parametrize("method", METHODS)
def test_what_is_typed_at_ipython_is_sent(method: str, tmp_path: Path) -> None:
    """IPython runs without a terminal."""
    pytest.importorskip("IPython")
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    text = f"exec(open('definitions.py').read())\nwork({method!r})\n"

    outcome = python("-m", "IPython", "--simple-prompt", cwd=tmp_path, stdin=text)

    assert "42 True 1" in outcome.stdout
