"""Becoming a child from a fresh interpreter.

Idea: the command line carries only the numbers of inherited descriptors. From the first of them
two pickles are read: preparation data, which make this interpreter like its parent, and the process
object.

Invariant: before any code of the program runs, the import of its main module included, the child is
linked to its parent's death, if it shall be, and is a member of its family.

Layer: process; imports base, ipc and the core. It imports as little as possible, because every
spawned child pays for it.
"""

from __future__ import annotations

import os
import sys
from _pickle import load

from . import util
from ._base import hooks, log, runtime
from ._pickling import main_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from .process import BaseProcess

__all__ = [
    "_main",
    "freeze_support",
    "get_command_line",
    "get_executable",
    "get_preparation_data",
    "import_main_path",
    "set_executable",
]

WINEXE = False
WINSERVICE = False

old_main_modules = main_module.replaced
import_main_path = _fixup_main_from_path = main_module.from_path
_fixup_main_from_name = main_module.from_name


def set_executable(exe: str | bytes | os.PathLike[str] | None) -> None:
    """Set the interpreter that children are started with."""
    runtime.executable = None if exe is None else os.fsencode(exe)


def get_executable() -> bytes | None:
    """Return the interpreter that children are started with."""
    return runtime.executable


# --------------------------------------------------------------------------------- the command line


def is_forking(argv: list[str]) -> bool:
    """Return whether *argv* is the command line of a child."""
    return len(argv) >= 2 and argv[1] == "--multiprocessing-fork"


def freeze_support() -> None:
    """In a frozen program: if this process was started as a child, be that child, then exit."""
    if is_forking(sys.argv):
        pairs = (argument.split("=") for argument in sys.argv[2:])
        numbers: Any = {name: None if text == "None" else int(text) for name, text in pairs}
        spawn_main(**numbers)
        sys.exit()


def get_command_line(**numbers: int | None) -> list[str | bytes]:
    """Return the command that starts a child, which calls `spawn_main` with *numbers*."""
    given = [f"{name}={value!r}" for name, value in numbers.items()]
    if getattr(sys, "frozen", False):
        return [sys.executable, "--multiprocessing-fork", *given]
    program = f"{import_statement('spawn_main', __name__)}; spawn_main({', '.join(given)})"
    flags = util._args_from_interpreter_flags()
    return [executable(), *flags, "-c", program, "--multiprocessing-fork"]


def import_statement(name: str, module: str) -> str:
    """Return code that imports *name* from a module of the package in a fresh interpreter.

    The program may have changed its path to find the package. The working directory, which ``-c``
    puts first, is usually not in the program's path. It may contain modules with names of the
    standard library's, or it may have been removed.
    """
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = f"[*filter(None, sys.path), {folder!r}]"
    return f"import sys; sys.path = {path}; from {module} import {name}"


def executable() -> bytes:
    """Return the interpreter for children.

    Raises:
        ValueError: there is none; this program embeds Python and has not named one.
    """
    exe = get_executable()
    if exe is None:
        raise ValueError(
            "no interpreter is known to start a child with; name one by set_executable()"
        )
    return exe


# --------------------------------------------------------------------------------- the child's side


def spawn_main(
    start_fd: int,
    family_fd: int,
    token: int,
    parent_pipe: int,
    sentinel: int | None = None,
    die_with_parent: int = 0,
) -> None:
    """Be the child that is described by the two pickles of *start_fd*, then exit.

    Args:
        start_fd: descriptor of the two pickles.
        family_fd: descriptor of the family's arena.
        token: this process's slot in the arena.
        parent_pipe: read end of the parent's death pipe.
        sentinel: descriptor to hold open until the end, where the system has no pidfd.
        die_with_parent: whether to die with the parent.
    """
    if not is_forking(sys.argv):
        raise AssertionError("Not forking")
    from . import _core
    from ._launch import parent_death

    for fd in (start_fd, family_fd, parent_pipe, sentinel):
        if fd is not None:
            os.set_inheritable(fd, False)
    if die_with_parent:
        parent_death.die_with(parent_pipe)
    _core.join_family(family_fd, token)
    sys.exit(_main(start_fd, parent_pipe))


def _main(fd: int, parent_sentinel: int | None) -> int:
    """Be the child whose two pickles are read from *fd*; return its exit code."""
    from . import _core

    with open(fd, "rb", closefd=True) as from_parent:

        def release() -> None:
            from_parent.close()  # now: the program may close every descriptor before it ends
            _core.release_given_references()

        return run(from_parent, parent_sentinel, release)


def run(
    from_parent: IO[bytes],
    parent_sentinel: int | None,
    release: Callable[[], object],
    descriptors: list[int] | None = None,
) -> int:
    """Be the child whose two pickles are read from a file; return its exit code.

    Args:
        release: called when this process has its own references to everything shared.
        descriptors: what has arrived from a client of the fork server; the preparation data have
            indexes into this list. None in a spawned child: its preparation data have descriptors,
            and it is not linked to the death of its root yet.
    """
    from ._pickling import core_hooks

    core_hooks.give()  # the process has shared objects of the core's own types
    current: Any = runtime.current_process()
    current._inheriting = True
    try:
        preparation = load(from_parent)
        if descriptors is not None:
            indexes = preparation["inherited_fds"].items()
            preparation["inherited_fds"] = {name: descriptors[index] for name, index in indexes}
        prepare(preparation)
        process_obj: BaseProcess = load(from_parent)
    finally:
        del current._inheriting
    release()
    from ._launch import parent_death

    die_with_root = descriptors is None and not process_obj.outlives_family
    parent_death.inherit_root(die_with_root=die_with_root)
    return process_obj._bootstrap(parent_sentinel)


# --------------------------------------------------------------------------------- preparation data


def get_preparation_data(name: str) -> dict[str, Any]:
    """Return what makes a fresh interpreter like this one, for a child called *name*.

    Raises:
        RuntimeError: this process is itself a child that is just importing the main module.
    """
    from ._launch import parent_death  # not needed in a child that starts none

    _check_not_importing_main()
    parent_death.pipe_fd()  # enters the root's among the inherited ones, if this is the root
    context: Any = hooks.default_context
    if not isinstance(name, str):  # any object, whose class the child may not find yet
        from ._base import safe_text

        name = safe_text.text_of(name, str)
    data = interpreter_state() | {
        "name": name,
        "authkey": runtime.current_process().authkey,
        "start_method": context.get_start_method(),
        "stand_in": runtime.stand_in,
        "inherited_fds": dict(runtime.inherited_fds),
    }
    return data | log.preparation() | main_module.describe()


def interpreter_state() -> dict[str, Any]:
    """Return the part of the preparation data that is about the interpreter."""
    path = [runtime.original_dir if entry == "" else entry for entry in sys.path]
    return {
        "sys_path": [entry for entry in path if entry is not None],
        "sys_argv": sys.argv,
        "orig_dir": runtime.original_dir,
        "dir": _working_directory(),
    }


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was removed; the child inherits it as it is
        return None


def prepare(data: dict[str, Any]) -> None:
    """Make this interpreter like the parent, which has sent *data*."""
    current = runtime.current_process()
    if "name" in data:
        current.name = data["name"]
    if "authkey" in data:
        current.authkey = data["authkey"]
    log.prepare(data.get("log_to_stderr", False), data.get("log_level"))
    if "sys_path" in data:
        sys.path = data["sys_path"]
    if "sys_argv" in data:
        sys.argv = data["sys_argv"]
    if data.get("dir") is not None:
        try:
            os.chdir(data["dir"])
        except FileNotFoundError:  # removed meanwhile: stay here, as the parent would
            pass
    runtime.original_dir = data.get("orig_dir", runtime.original_dir)
    _inherit(data.get("inherited_fds", {}))
    _prepare_context(data)
    main_module.make(data)


def _inherit(fds: dict[str, int]) -> None:
    for fd in fds.values():
        os.set_inheritable(fd, False)
    runtime.inherited_fds.update(fds)


def _prepare_context(data: dict[str, Any]) -> None:
    context: Any = hooks.default_context
    if "start_method" in data:
        context.set_start_method(data["start_method"], force=True)
    if data.get("stand_in"):
        hooks.install()


def _check_not_importing_main() -> None:
    """Raise RuntimeError if this is a child that has not become its process yet."""
    if not getattr(runtime.current_process(), "_inheriting", False):
        return
    where = main_module.offending_line()
    shown = "" if where is None else '\n  File "{}", line {}\n    {}\n'.format(*where)
    raise RuntimeError(f"""
        An attempt has been made to start a new process before the
        current process has finished its bootstrapping phase.
{shown}
        A child that does not begin as a copy of its parent runs the main
        module once more, to find its functions there. That must not start
        processes again. Put what starts them below this line:

            if __name__ == '__main__':
        """)
