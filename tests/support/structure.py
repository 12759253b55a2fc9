"""The package's modules and what they import, read from the sources without running them.

Idea: a module is named by its path below ``procession`` ("" is the package itself, "pool.worker" a
module of a subpackage); an import is an edge to the module it really loads, wherever in the file it
stands: an import inside a function saves time, it does not change who depends on whom. Imports for
the type checker alone load nothing and are no edges.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "procession"
SOURCES = ROOT / "src" / PACKAGE


def module_name(path: Path) -> str:
    """Return the name of the module in *path*, relative to the package."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in sorted(SOURCES.rglob("*.py"))}
NATIVE_MODULES = {"_core"}


@dataclass
class Imports(ast.NodeVisitor):
    """Collects the absolute names that a module imports, each with its line."""

    package: str  # absolute name of the package the module is in, for relative imports
    found: list[tuple[str, int]] = field(default_factory=list)

    def visit_If(self, node: ast.If) -> None:
        """Leave out ``if TYPE_CHECKING:``, but not its ``else``."""
        skip = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for child in node.orelse if skip else [*node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        """``import a.b``."""
        self.found += [(alias.name, node.lineno) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """``from a import b``: a.b where that is a module, else a; `resolve` decides."""
        base = self.absolute(node.level, node.module or "")
        self.found += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]

    def visit_Call(self, node: ast.Call) -> None:
        """``import_module("a.b")``, ``__import__("a.b")``: as far as the name is written there."""
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                level = len(name.value) - len(name.value.lstrip("."))
                self.found.append((self.absolute(level, name.value.lstrip(".")), node.lineno))
        self.generic_visit(node)

    def absolute(self, level: int, name: str) -> str:
        """Return the absolute name of *name* seen through *level* leading dots."""
        if level == 0:
            return name
        parents = self.package.split(".")[: len(self.package.split(".")) - (level - 1)]
        return ".".join([*parents, name] if name else parents)


def imports(module: str) -> list[tuple[str, int]]:
    """Return the absolute names that *module* imports, with their lines."""
    path = PATHS[module]
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
    visitor = Imports(f"{PACKAGE}.{inside}".rstrip("."))
    visitor.visit(ast.parse(path.read_text(), str(path)))
    return visitor.found


def resolve(name: str) -> str | None:
    """Return the module of the package that importing *name* loads; None: it is another's.

    A module of the package that does not exist (yet) resolves to the nearest package above it.
    """
    first, _, inner = name.partition(".")
    if first != PACKAGE:
        return None
    while inner and inner not in PATHS and inner not in NATIVE_MODULES:
        inner = inner.rpartition(".")[0]
    return inner


def edges(module: str) -> Iterator[tuple[str, int]]:
    """Yield the modules of the package that *module* imports, with the line, less itself."""
    for name, line in imports(module):
        target = resolve(name)
        if target is not None and target != module:
            yield target, line


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import one another (strongly connected, Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in order:
            visit(node)
    return found
