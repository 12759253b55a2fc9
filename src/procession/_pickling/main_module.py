"""Finding the main module, and making it again in another interpreter.

Idea: a function of the main module is pickled as a name, so a fresh child must run the code of the
main module again, under the name ``__mp_main__``: then what is below the guard
``if __name__ == "__main__":`` does not run. How the module is found depends on how the program was
started: from a file, from a module name (``-m``), or not at all (a prompt, a notebook, ``-c``, a
``__main__.py``, which has no guard). What cannot be found is pickled by value instead.

Invariant: the main module is run at most once in a child, and never in a process that has it (a
forked one, a child of a fork server that has preloaded it).

Layer: pickling; imports the base layer.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from .._base import runtime

# Main modules that were replaced. They are kept, as other code may still use what they contain.
replaced: list[ModuleType] = []


def describe() -> dict[str, str]:
    """Return how a child finds the main module: one entry of preparation data, or none."""
    main = sys.modules.get("__main__")  # a program that embeds Python may have removed it
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return {"init_main_from_name": name}
    path = getattr(main, "__file__", None)
    if path is None or (path := _absolute(path)) is None:
        return {}
    return {"init_main_from_path": path}


def _absolute(path: str) -> str | None:
    """Return *path*, relative to the program's first folder, as absolute; None without a file."""
    if not os.path.isabs(path) and runtime.original_dir is not None:
        path = os.path.join(runtime.original_dir, path)
    return os.path.normpath(path) if os.path.exists(path) else None


def is_found_again() -> bool:
    """Return whether a fresh child can find the functions of the main module by their names."""
    if hasattr(sys, "ps1") or sys.flags.inspect:
        return False  # a prompt: what was typed is in no file
    found = describe()
    name = found.get("init_main_from_name")
    if name is not None:
        return not _runs_unguarded(name)
    path = found.get("init_main_from_path")
    return path is not None and not _is_ipython(path)


def make(description: dict[str, str]) -> None:
    """In a child: make the main module that *description* finds, unless it is there."""
    if "init_main_from_name" in description:
        from_name(description["init_main_from_name"])
    elif "init_main_from_path" in description:
        from_path(description["init_main_from_path"])


def from_name(name: str) -> None:
    """Make the main module from a module's name."""
    current = sys.modules.get("__main__")
    if _runs_unguarded(name):
        return
    if getattr(getattr(current, "__spec__", None), "name", None) == name:
        return
    import runpy  # only for -m

    main = ModuleType("__mp_main__")
    content = runpy.run_module(name, run_name="__mp_main__", alter_sys=True)
    main.__dict__.update(content)
    _install(main)


def from_path(path: str) -> None:
    """Make the main module from a file, or from a folder or archive with a ``__main__.py``."""
    current = sys.modules.get("__main__")
    if _is_ipython(path) or getattr(current, "__file__", None) == path:
        return
    if path.endswith(".pyc") or not os.path.isfile(path):
        import runpy  # only for what is not plain source

        main = ModuleType("__mp_main__")
        main.__dict__.update(runpy.run_path(path, run_name="__mp_main__"))
    else:
        main = _run_source(path)
    _install(main)


def _install(main: ModuleType) -> None:
    if "__main__" in sys.modules:
        replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main


def _run_source(path: str) -> ModuleType:
    """Run a source file as module ``__mp_main__``, in the module's own name space."""
    import io

    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    main = ModuleType("__mp_main__")
    vars(main).update(__file__=path, __cached__=None, __package__="", __builtins__=__builtins__)
    before = sys.modules.get("__mp_main__")
    sys.modules["__mp_main__"] = main
    try:
        exec(code, vars(main))
    except BaseException:
        if before is None:
            del sys.modules["__mp_main__"]
        else:
            sys.modules["__mp_main__"] = before
        raise
    return main


def _runs_unguarded(name: str) -> bool:
    """Return whether *name* is a ``__main__.py``, whose code usually has no guard."""
    return name == "__main__" or name.endswith(".__main__")


def _is_ipython(path: str) -> bool:
    """Return whether *path* is IPython's launcher, which does not contain what the user typed."""
    return os.path.splitext(os.path.basename(path))[0] in ("ipython", "ipython3")


def offending_line() -> tuple[str, int, str] | None:
    """Return the line of the main module, which a child is running, from which this call comes.

    Returns:
        File, line number and text; None if the call does not come from there.
    """
    frame = sys._getframe()
    found = None
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") == "__mp_main__" and frame.f_code.co_name == "<module>":
            found = frame
    if found is None:
        return None
    import linecache  # only for an error

    file = found.f_code.co_filename
    return file, found.f_lineno, linecache.getline(file, found.f_lineno).strip()
