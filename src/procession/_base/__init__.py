"""The base layer: deadlines, errors, logs, finalizers, limits, what is known of this process.

Idea: what several packages need and what needs none of them.

Invariant: nothing here imports anything of the package but this folder and the core.

Types cost nothing at run time, here and in all other packages: `from __future__ import annotations`
leaves annotations unevaluated, and what only they need is imported under ``if TYPE_CHECKING:``. The
modules that every child imports say ``TYPE_CHECKING = False`` themselves, which type checkers
understand, because importing `typing` takes longer than importing this package.

Layer: base. The package re-exports nothing: each module is imported when it is needed. `export`
is here because every public package needs it, and a module of its own costs each start a read.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def export(module: str, *objects: Any) -> None:
    """Make each of *objects*, classes or functions, say that it is from *module*.

    A public class is defined in a private file of its package; programs, pickles and the standard
    package know it by the package's name.
    """
    for each in objects:
        each.__module__ = module
