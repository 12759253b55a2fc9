"""What one Python file imports, by statement or by string.

Idea: an import by string is a call of ``import_module`` or another function that imports, a look
into ``sys.modules``, or any other string that is a dotted name of the package, or code that imports
one: whatever takes it can import it. Strings are read with their f-strings and sums, as far as they
are made of constants, ``__name__`` and ``__package__``. Only where a string gives a class its
public path it is a name and no import.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TYPE_CHECKING_NAMES = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
# Functions whose first argument is the name of a module.
IMPORTERS = frozenset({"import_module", "__import__", "find_spec", "resolve_name", "run_module"})
METHODS = frozenset({"get", "pop", "setdefault"})  # of sys.modules, by name of a module

# A string that is a dotted name of the package, or a line of code that imports one.
DOTTED = re.compile(r"(procession(?:\.\w+)+)(?::[\w.]*)?\Z")
CODE = re.compile(r"\b(?:from (procession[\w.]*) import (\w+)|import (procession(?:\.\w+)+))")
UNKNOWN = "\0"  # in a string: what is known at run time alone


@dataclass(frozen=True)
class Import:
    """One import: the absolute name, "" if it is made at run time, and the line."""

    name: str
    line: int
    by_string: bool = False


def imports_of(path: Path, folder: str) -> Iterator[Import]:
    """Yield what the module in *path* imports; *folder* is the package it is in."""
    visitor = _Visitor(folder, folder if path.name == "__init__.py" else f"{folder}.{path.stem}")
    visitor.visit(ast.parse(path.read_text(), str(path)))
    yield from visitor.found


class _Visitor(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, folder: str, module: str) -> None:
        self.folder = folder
        self.known = {"__package__": folder, "__name__": module}
        self.importers = set(IMPORTERS)  # with the names that the module gives them
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
        self.importers |= {
            each.asname for each in node.names if each.asname and each.name in IMPORTERS
        }
        self.found += [Import(f"{base}.{alias.name}", node.lineno) for alias in node.names]

    def visit_Call(self, node: ast.Call) -> None:
        """``import_module(name)``; of ``export("a.b", ...)`` the string is a public path."""
        of, _, called = ast.unparse(node.func).rpartition(".")
        if called in self.importers or (of == "sys.modules" and called in METHODS):
            names = node.args[:1] or [each.value for each in node.keywords if each.arg == "name"]
            for name in names:
                self.found.append(Import(self.written(name, _level(node)), node.lineno, True))
        elif called != "export":
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """``sys.modules[name]``."""
        if ast.unparse(node.value) == "sys.modules":
            self.found.append(Import(self.written(node.slice), node.lineno, True))
        else:
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """An f-string, and what is in it."""
        self.read_string(_text(node, self.known), node.lineno)
        for part in node.values:
            if not isinstance(part, ast.Constant):
                self.visit(part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """A sum of strings; any other operation is just visited."""
        text = _text(node, self.known)
        if text.strip(UNKNOWN):
            self.read_string(text, node.lineno)
        else:
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
            self.read_string(node.value, node.lineno)

    def read_string(self, text: str, line: int) -> None:
        """Find what is named in *text*; a name of the package with an unknown part is ""."""
        names = DOTTED.findall(text)
        for package, name, module in CODE.findall(text):
            names.append(module or f"{package}.{name}")
        if text.startswith("procession.") and UNKNOWN in text and " " not in text:
            names.append("")
        if text in ("import_module", "__import__"):  # to be looked up by getattr
            names.append("")
        self.found += [Import(name, line, True) for name in names]

    def written(self, name: ast.expr, level: int = 0) -> str:
        """Return the absolute name that an importing function is given; "": made at run time."""
        text = _text(name, self.known)
        inner = text.lstrip(".")
        level = level or len(text) - len(inner)
        return "" if UNKNOWN in text else self.absolute(level, inner.partition(":")[0])

    def absolute(self, level: int, name: str) -> str:
        """Return the absolute name of *name* seen through *level* leading dots."""
        if level == 0:
            return name
        parents = self.folder.split(".")[: len(self.folder.split(".")) - (level - 1)]
        return ".".join([*parents, name] if name else parents)


def _level(call: ast.Call) -> int:
    """Return how far up ``__import__(..., level=n)`` begins; 0 for an absolute name."""
    for each in call.keywords:
        if each.arg == "level" and isinstance(each.value, ast.Constant):
            return int(each.value.value)  # type: ignore[arg-type]
    return 0


def _text(node: ast.expr, known: dict[str, str]) -> str:
    """Return what a string expression says, with `UNKNOWN` for what is not written there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known)
    if isinstance(node, ast.Name):
        return known.get(node.id, UNKNOWN)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, known) + _text(node.right, known)
    return UNKNOWN
