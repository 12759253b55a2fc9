"""Public paths: what a package exports says that it is from there.

Idea: a public class is defined in a private file of its package. Programs, pickles and the
standard package know it by the package's name.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def export(module: str, *objects: Any) -> None:
    """Make each of *objects*, classes or functions, say that it is from *module*."""
    for each in objects:
        each.__module__ = module
