"""What one Python file imports, by statement or by string.

Idea: an import by string is a call of ``import_module`` or ``__import__``, a look into
``sys.modules``, or any other string that is a dotted name of the package: whatever takes it can
import it. Only where a string gives a class its public path it is a name and no import.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TYPE_CHECKING_NAMES = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
IMPORTERS = ("import_module", "__import__")

# A string that is a dotted name of the package, or a line of code that imports one.
DOTTED = re.compile(r"(procession(?:\.\w+)+)\Z")
CODE = re.compile(r"\b(?:from|import) (procession(?:\.\w+)+)")


@dataclass(frozen=True)
class Import:
    """One import: the absolute name, "" if it is made at run time, and the line."""

    name: str
    line: int
    by_string: bool = False


def imports_of(path: Path, folder: str) -> Iterator[Import]:
    """Yield what the module in *path* imports; *folder* is the package it is in."""
    visitor = _Visitor(folder)
    visitor.visit(ast.parse(path.read_text(), str(path)))
    yield from visitor.found


class _Visitor(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.found: list[Import] = []

    def visit_If(self, node: ast.If) -> None:
        """Leave out ``if TYPE_CHECKING:``, but not its ``else``."""
        skip = ast.unparse(node.test) in TYPE_CHECKING_NAMES
        for child in node.orelse if skip else [node.test, *node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        """``import a.b``."""
        self.found += [Import(alias.name, node.lineno) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """``from a import b``: a.b where that is a module, else a; `Tree.resolve` decides."""
        base = self.absolute(node.level, node.module or "")
        self.found += [Import(f"{base}.{alias.name}", node.lineno) for alias in node.names]

    def visit_Call(self, node: ast.Call) -> None:
        """``import_module(name)``; of ``export("a.b", ...)`` the string is a public path."""
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in IMPORTERS and node.args:
            self.found.append(Import(self.written(node.args[0]), node.lineno, True))
        elif called != "export":
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """``X.__module__ = "a.b"`` is a public path as well."""
        if not all(isinstance(t, ast.Attribute) and t.attr == "__module__" for t in node.targets):
            self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """A docstring is no import."""
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Any other string that names a module of the package, or imports it in another process."""
        if isinstance(node.value, str):
            names = DOTTED.findall(node.value) or CODE.findall(node.value)
            self.found += [Import(name, node.lineno, True) for name in names]

    def written(self, name: ast.expr) -> str:
        """Return the absolute name that an importing function is given; "": made at run time."""
        text = _text(name, self.folder)
        level = len(text) - len(text.lstrip("."))
        return self.absolute(level, text.lstrip("."))

    def absolute(self, level: int, name: str) -> str:
        """Return the absolute name of *name* seen through *level* leading dots."""
        if level == 0:
            return name
        parents = self.folder.split(".")[: len(self.folder.split(".")) - (level - 1)]
        return ".".join([*parents, name] if name else parents)


def _text(node: ast.expr, folder: str) -> str:
    """Return what a constant or an f-string of constants says; "": that is not written there."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.FormattedValue):
        return folder if ast.unparse(node.value) == "__package__" else ""
    if isinstance(node, ast.JoinedStr):
        parts = [_text(part, folder) for part in node.values]
        return "".join(parts) if all(parts) else ""
    return ""
