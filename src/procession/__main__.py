"""The command line: ``procession run program.py`` and its other forms.

Idea: ``procession run X`` is ``python X``, but with this package in the place of the standard one.
The program is the main module: its name, arguments, path, exit code and tracebacks are those it
has under the interpreter alone.

Invariant: the program and its children see nothing of this file. Children find the main module as
always, by its file or name.

Layer: on top; imports the package.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any

from . import __version__
from ._patching import install

USAGE = """\
usage: procession run PROGRAM [ARGUMENT ...]      run a file, a folder or an archive
       procession run -m MODULE [ARGUMENT ...]    run a module, found as import finds it
       procession run -c CODE [ARGUMENT ...]      run the code given
       procession run - [ARGUMENT ...]            run what standard input gives
       procession --version

Runs an unmodified program with Procession in the place of multiprocessing, in the program and in
all its children, whatever their start method.
"""
WRONG_USAGE = 2  # exit codes
NO_SUCH_FILE = 2


def main() -> int | None:
    """Run the command that the command line names; return the exit code."""
    match sys.argv[1:]:
        case ["run", *rest]:
            return run(rest)
        case ["--version" | "-V"]:
            print(f"procession {__version__}")
            return 0
        case ["--help" | "-h"]:
            print(USAGE, end="")
            return 0
    return _wrong_usage()


def _wrong_usage() -> int:
    print(USAGE, end="", file=sys.stderr)
    return WRONG_USAGE


def run(words: list[str]) -> int | None:
    """Run the program that *words* begins with; the rest are its arguments."""
    match words:
        case ["--help" | "-h"]:
            print(USAGE, end="")
            return 0
        case ["-m", name, *arguments]:
            return _run_main(lambda: _run_module(name, arguments))
        case ["-c", code, *arguments]:
            return _run_main(lambda: _run_text(code, "-c", "<string>", arguments))
        case ["-", *arguments]:
            return _run_main(lambda: _run_stdin(arguments))
        case [path, *arguments] if not path.startswith("-"):
            return _run_main(lambda: _run_path(path, arguments))
    return _wrong_usage()


def _run_main(program: Callable[[], int | None]) -> int | None:
    """Run *program*, which becomes the main module."""
    install.install()
    _make_main_module()
    try:
        return program()
    except SystemExit:
        raise
    except BaseException as error:
        _hide_our_frames(error)
        raise


def _make_main_module() -> None:
    """Replace the main module by an empty one, with the attributes that the interpreter sets."""
    ours = sys.modules["__main__"]
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    if "__annotations__" in vars(ours):
        main.__annotations__ = {}
    # The second name is the one that children know the main module by.
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main


# ------------------------------------------------------------------------------ kinds of programs


def _run_module(name: str, arguments: list[str]) -> None:
    """Run a module as the interpreter does for -m."""
    import runpy

    sys.argv = ["-m", *arguments]  # until the module is found; then its file is the first
    _set_first_path(os.getcwd())
    _run_as_main(runpy)(name)


def _run_as_main(runpy: Any) -> Callable[..., None]:
    """Return the function that the interpreter itself calls for -m and for folders.

    The public function restores the main module at the end, which is too early for threads and for
    exit functions, and runs the program in a copy of the name space.
    """
    function: Callable[..., None] = runpy._run_module_as_main
    return function


def _run_path(path: str, arguments: list[str]) -> int | None:
    """Run a source file, a compiled one, or a folder or archive."""
    sys.argv = [path, *arguments]
    file = os.path.join(os.getcwd(), path)  # like the interpreter: absolute, but as it was written
    if _is_searchable(file):
        import runpy

        sys.path[: not sys.flags.safe_path] = [file]  # the interpreter does so even with -P
        _run_as_main(runpy)("__main__", False)
        return None
    try:
        with io.open_code(file) as source:
            text = source.read()
    except OSError as error:
        problem = f"[Errno {error.errno}] {error.strerror}"
        print(f"procession: can't open file {file!r}: {problem}", file=sys.stderr)
        return NO_SUCH_FILE
    _set_first_path(os.path.dirname(os.path.realpath(file)))
    _run_file(file, text)
    return None


def _run_file(file: str, text: bytes) -> None:
    """Run a file that has been read."""
    code: CodeType | None
    if file.endswith(".pyc"):
        compiled = SourcelessFileLoader("__main__", file)
        code = compiled.get_code("__main__")
        assert code is not None, "a file without source always has code"
        _execute(code, __file__=file, __cached__=None, __loader__=compiled)
    else:
        code = compile(text, file, "exec", dont_inherit=True)
        loader = SourceFileLoader("__main__", file)
        _execute(code, __file__=file, __cached__=None, __loader__=loader)


def _run_stdin(arguments: list[str]) -> None:
    """Run what comes on standard input."""
    text = sys.stdin.buffer.read()
    _run_text(text, "-", "<stdin>", arguments, __file__="<stdin>", __cached__=None)


def _run_text(
    text: str | bytes, zeroth: str, name: str, arguments: list[str], **attributes: Any
) -> None:
    """Run code that is in no file."""
    sys.argv = [zeroth, *arguments]
    _set_first_path("")
    code = compile(text, name, "exec", dont_inherit=True)
    _execute(code, __loader__=BuiltinImporter, **attributes)


def _execute(code: CodeType, **attributes: Any) -> None:
    """Run *code* in the main module, which has *attributes*."""
    namespace = vars(sys.modules["__main__"])
    namespace.update(attributes)
    exec(code, namespace)


def _is_searchable(path: str) -> bool:
    """Whether modules can be imported from *path*: it is a folder or an archive."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _set_first_path(entry: str) -> None:
    """Replace the entry that the interpreter put at the front of sys.path for this module.

    With -P and -I it puts no entry there; then the program gets none either.
    """
    if not sys.flags.safe_path:
        sys.path[0] = entry


# ------------------------------------------------------------------------------------- tracebacks


def _hide_our_frames(error: BaseException) -> None:
    """Have the interpreter, which will report *error*, begin with the program's first frame."""
    theirs = error.__traceback__
    while theirs is not None and theirs.tb_frame.f_code.co_filename == _THIS_FILE:
        theirs = theirs.tb_next
    hook = sys.excepthook  # the program may have set its own

    def excepthook(
        kind: type[BaseException], value: BaseException, traceback: TracebackType | None
    ) -> None:
        sys.excepthook = hook
        if value is error:
            sys.last_traceback = traceback = theirs
            value = value.with_traceback(theirs)
        hook(kind, value, traceback)

    sys.excepthook = excepthook


_THIS_FILE = _hide_our_frames.__code__.co_filename

if __name__ == "__main__":
    sys.exit(main())
