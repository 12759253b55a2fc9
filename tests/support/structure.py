"""The package's modules and what they import, read from the sources without running them.

Idea: a module is named by its path below ``procession`` ("" is the package itself, "pool._worker" a
module of a subpackage). An import is an edge to each module that it runs: of ``a.b.c`` that is the
module, and the ``__init__`` of each folder around it that is not already being imported. An import
inside a function counts like any other: it saves time, it does not change who depends on whom. So
does an import by string, also that of a C file. Imports for the type checker alone run nothing.

Invariant: every function takes the tree that it reads, so a small tree that is planted in a
temporary folder is judged like the real one.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.support.structure_imports import Import, imports_of
from tests.support.structure_tables import BY_STRING

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "procession"
CORE = "_core"  # the extension; its sources are those in native/

# A name of the package in a C file that is no type of the core itself is imported there.
C_STRING = re.compile(rf'"{PACKAGE}(?:\.(\w+(?:\.\w+)*))?"')


@dataclass(frozen=True)
class Edge:
    """One import: the module that is run for it, and where it is written."""

    target: str
    where: str


@dataclass(frozen=True)
class Tree:
    """A checkout: its folder, and what its modules may import by string, with the reasons."""

    root: Path
    by_string: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=lambda: BY_STRING)

    @property
    def native(self) -> Path:
        """The folder of the C sources."""
        return self.root / "native"

    @cached_property
    def modules(self) -> dict[str, Path]:
        """The modules by name, with their files."""
        package = self.root / "src" / PACKAGE
        return {module_name(path, package): path for path in sorted(package.rglob("*.py"))}

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """What each module imports, as it is written there."""
        return {
            module: list(imports_of(path, absolute_folder(module, path)))
            for module, path in self.modules.items()
        }

    @cached_property
    def edges(self) -> dict[str, list[Edge]]:
        """What each module, and the core, makes run by its imports."""
        found = {module: list(self._edges_of(module)) for module in self.modules}
        found[CORE] = list(self._edges_of_core())
        return found

    def resolve(self, name: str) -> str | None:
        """Return the module of the package that *name* stands for; None: it is another's.

        A name inside a module, or of no module, resolves to the nearest package above it.
        """
        first, _, inner = name.partition(".")
        if first != PACKAGE:
            return None
        while inner and inner not in self.modules and inner != CORE:
            inner = inner.rpartition(".")[0]
        return inner

    def named(self, path: Path) -> str:
        """Return the path as the reports show it."""
        return str(path.relative_to(self.root))

    def _edges_of(self, module: str) -> Iterator[Edge]:
        path = self.modules[module]
        for each in self.imports[module]:
            target = self.resolve(each.name) if each.name else None
            if target is not None:
                where = f"{self.named(path)}:{each.line}"
                yield from edges_to(module, target, where)
        for name in self.by_string.get(module, ((), ""))[0]:
            if name in self.modules:
                yield from edges_to(module, name, self.named(path))

    def _edges_of_core(self) -> Iterator[Edge]:
        for path in sorted(self.native.rglob("*.[ch]")):
            if "tests" in path.relative_to(self.native).parts:
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                for inner in C_STRING.findall(line):
                    target = self.resolve(f"{PACKAGE}.{inner}".rstrip("."))
                    if target:
                        yield from edges_to(CORE, target, f"{self.named(path)}:{number}")


def edges_to(module: str, target: str, where: str) -> Iterator[Edge]:
    """Yield an edge from *module* to *target* and to the folders whose ``__init__`` runs first."""
    for folder in folders_around(target):
        if module != folder and not module.startswith(f"{folder}."):
            yield Edge(folder, where)
    if module != target:
        yield Edge(target, where)


def folders_around(module: str) -> list[str]:
    """Return the packages in which *module* lies, the outermost first, without ``procession``."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def module_name(path: Path, package: Path) -> str:
    """Return the name of the module in *path*, relative to *package*."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def absolute_folder(module: str, path: Path) -> str:
    """Return the absolute name of the package that the relative imports of *module* start from."""
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return f"{PACKAGE}.{inside}".rstrip(".")


def unit(module: str) -> str:
    """Return the top-level module or package that *module* belongs to: the unit of the layers."""
    return module.partition(".")[0]


def cycles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach one another (strongly connected, Tarjan 1972)."""
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


def docstring(path: Path) -> str:
    """Return the docstring of the module in *path*; "" if it has none."""
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def assert_none(found: list[str]) -> None:
    """Fail with the whole report if there is one."""
    assert not found, "\n".join(["", *found])
