"""The rules for the Python sources: each returns what breaks it, as lines of a report.

Idea: a rule is a function of a `Tree`; no line means that the tree keeps it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.structure import CORE, Tree, cycles, docstring, unit
from tests.support.structure_tables import (
    LAYER_OF,
    LONGEST_FILE,
    LONGEST_FUNCTION,
    PUBLIC_MODULES,
)

EXEMPT = re.compile(r"(?:#|/\*)\s*size:\s*\S.{9,}")  # with a reason, not a word alone
Function = tuple[str, int, list[str]]  # its name, its first line, its lines


def wrong_underscores(tree: Tree) -> list[str]:
    """A public module is one of the list. All else begins with an underscore, and nothing twice.

    Inside of a package that begins with an underscore, the files do not.
    """
    return [
        f"{tree.named(path)}: {wrong}"
        for module, path in tree.modules.items()
        if (wrong := _wrong_name(module))
    ]


def _wrong_name(module: str) -> str:
    folder, _, name = module.rpartition(".")
    private = name.startswith("_") and not name.endswith("__")
    if module in ("", "__main__"):
        return ""
    if any(part.startswith("_") for part in folder.split(".")):
        return "its package begins with an underscore already" if private else ""
    if module in PUBLIC_MODULES:
        return ""
    return "" if private else "no public name of the list, so it begins with an underscore"


def upward_imports(tree: Tree) -> list[str]:
    """A module imports from its own layer or from one below; every unit has a layer."""
    known = [module for module in tree.edges if unit(module) in LAYER_OF]
    unknown = sorted({unit(module) for module in tree.edges if unit(module) not in LAYER_OF})
    return [f"{each} has no layer" for each in unknown] + [
        f"{edge.where}: {module or 'the package'} of layer {LAYER_OF[unit(module)]} imports "
        f"{edge.target or 'the package'} of layer {layer}"
        for module in known
        for edge in tree.edges[module]
        if (layer := LAYER_OF.get(unit(edge.target), -1)) > LAYER_OF[unit(module)]
    ]


def module_cycles(tree: Tree) -> list[str]:
    """No modules import one another in a circle, `__init__` files and the core among them."""
    graph = {module: {edge.target for edge in edges} for module, edges in tree.edges.items()}
    return [" <-> ".join(each or "procession" for each in group) for group in cycles(graph)]


def unit_cycles(tree: Tree) -> list[str]:
    """Nor do folders: a package is one node of the graph, whichever of its files imports."""
    graph: dict[str, set[str]] = {}
    for module, edges in tree.edges.items():
        graph.setdefault(unit(module), set()).update(unit(edge.target) for edge in edges)
    return [" <-> ".join(each or "procession" for each in group) for group in cycles(graph)]


def undocumented_imports_by_string(tree: Tree) -> list[str]:
    """An import by string is in the list, with its reason, and imports what lies lower."""
    return [*_not_in_the_list(tree), *_upward_by_string(tree)]


def _not_in_the_list(tree: Tree) -> Iterator[str]:
    for module, imports in tree.imports.items():
        allowed = tree.by_string.get(module, ((), ""))[0]
        for each in imports:
            target = tree.resolve(each.name) if each.name else None
            if not each.by_string or target == module:
                continue
            if each.name == "" and module not in tree.by_string:
                yield f"{tree.named(tree.modules[module])}:{each.line}: a name made at run time"
            elif target is not None and target not in allowed:
                yield f"{tree.named(tree.modules[module])}:{each.line}: {each.name} by string"
    yield from (f"{edge.where}: the core imports {edge.target}" for edge in tree.edges[CORE])


def _upward_by_string(tree: Tree) -> Iterator[str]:
    for module, (targets, _) in tree.by_string.items():
        if module not in tree.modules:
            continue
        for target in targets:
            if unit(target) != unit(module) and not _is_lower(target, module):
                yield f"{module} may not import {target} by string: it is not lower"


def _is_lower(target: str, module: str) -> bool:
    return LAYER_OF[unit(target)] < LAYER_OF[unit(module)]


def imports_of_the_standard_package(tree: Tree) -> list[str]:
    """This is an implementation of its contract, not a wrapper."""
    return [
        f"{tree.named(tree.modules[module])}:{each.line}: {each.name}"
        for module, imports in tree.imports.items()
        for each in imports
        if each.name.partition(".")[0] in ("multiprocessing", "_multiprocessing", "_posixshmem")
    ]


def modules_without_a_layer_line(tree: Tree) -> list[str]:
    """The docstring tells the idea, and one line the layer."""
    return [tree.named(path) for path in tree.modules.values() if "Layer:" not in docstring(path)]


def too_long(tree: Tree, paths: list[Path]) -> list[str]:
    """Files and functions are short; a comment `size: why` exempts.

    For a file the comment stands in its first 30 lines, for a function in it.
    """
    found = []
    for path in paths:
        lines = path.read_text().splitlines()
        if len(lines) > LONGEST_FILE and not any(EXEMPT.search(each) for each in lines[:30]):
            found.append(f"{tree.named(path)} has {len(lines)} lines")
        functions = python_functions(path) if path.suffix == ".py" else c_functions(path)
        found += [
            f"{tree.named(path)}:{line}: {name} has {len(body)} lines"
            for name, line, body in functions
            if len(body) > LONGEST_FUNCTION and not any(EXEMPT.search(each) for each in body)
        ]
    return found


def python_functions(path: Path) -> Iterator[Function]:
    """Yield name, first line and lines of each function, methods and nested ones included."""
    lines = path.read_text().splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.lineno, lines[node.lineno - 1 : node.end_lineno]


def c_functions(path: Path) -> Iterator[Function]:
    """Yield the same for C, where only a function's braces stand in the first column."""
    lines = path.read_text().splitlines()
    start = 0
    for index, line in enumerate(lines):
        if line.rstrip() == "{":
            start = index
        elif line.startswith("}") and line.rstrip() == "}" and start:
            head = start - 1
            while head and lines[head - 1] and not lines[head - 1].endswith(("*/", "}", ";")):
                head -= 1
            yield lines[head], head + 1, lines[head : index + 1]
            start = 0


def unfinished_or_local(tree: Tree, paths: list[Path]) -> list[str]:
    """What is left to do is an issue, not a comment; and no file names a path of one machine."""
    return [
        f"{tree.named(path)}: {found}"
        for path in paths
        for found in re.findall(
            r"\b(?:TODO|FIXME|XXX|HACK)\b|(?:/root|/home|/work)/\w+", path.read_text()
        )
    ]
