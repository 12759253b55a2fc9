"""The C sources: what each header declares, who defines it, who uses it.

Idea: a header and the `.c` of the same name are one unit, named by its path ("shm/block"). A unit
uses another if it names a function, a macro or a variable of the other's header: in its own `.c` or
in an inline function. Comments and strings are blanked first, so that only code is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.support.structure import cycles
from tests.support.structure_tables import C_FOLDERS, C_WITHOUT_HEADER, LONGEST_LINE

BLANKED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
INCLUDE = re.compile(r'^[ \t]*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
NAME = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*")
FUNCTION = re.compile(r"(?<!\()\b([A-Za-z_]\w*)\s*\(")  # the first name before a parenthesis
MACRO = re.compile(r"^[ \t]*#\s*define\s+([A-Za-z_]\w*)", re.MULTILINE)
# Of the interpreter: what imports, runs source, or gives the modules or `__import__`.
IMPORTERS = ("PyImport_", "PyRun_", "Py_Compile", "PySys_Get", "PyEval_GetBuiltins")
GUARDS = "PROCESSION_"  # how the macros begin that keep a header from being read twice
PYTHON_HEADERS = frozenset({"Python.h", "structmember.h"})


@dataclass
class Unit:
    """A header and the `.c` file of its name; either may be missing."""

    name: str
    header: Path | None = None
    source: Path | None = None
    declared: set[str] = field(default_factory=set)  # in the header, and defined elsewhere
    inline: set[str] = field(default_factory=set)  # defined in the header, macros too
    variables: set[str] = field(default_factory=set)  # declared in the header
    defined: set[str] = field(default_factory=set)  # in the source, for others to call
    private: set[str] = field(default_factory=set)  # defined in the source, for itself alone
    foreign: set[str] = field(default_factory=set)  # declared in the source, not defined there
    at_top: set[str] = field(default_factory=set)  # the names in the source's own variables
    used: set[str] = field(default_factory=set)  # the names in header and source


class CTree:
    """The C files below a folder, those in *without* apart."""

    def __init__(self, native: Path, without: tuple[str, ...] = ("tests", "models")) -> None:
        self.native = native
        self.files = sorted(
            path
            for path in native.rglob("*.[ch]")
            if path.relative_to(native).parts[0] not in without
        )

    @cached_property
    def units(self) -> dict[str, Unit]:
        """The units by name."""
        found: dict[str, Unit] = {}
        for path in self.files:
            name = str(path.relative_to(self.native).with_suffix(""))
            unit = found.setdefault(name, Unit(name))
            text = path.read_text()
            code = code_of(text)
            unit.used |= set(NAME.findall(blanked(text)))
            if path.suffix == ".h":
                unit.header = path
                macros = {each for each in MACRO.findall(text) if not each.startswith(GUARDS)}
                unit.declared = set(declarations(code))
                unit.inline = set(definitions(code)) | macros
                unit.variables = set(variables(code))
            else:
                unit.source = path
                unit.defined = set(definitions(code))
                unit.private = set(definitions(code, static=True))
                unit.foreign = set(declarations(code)) - unit.defined
                unit.at_top = set(variables(code, extern=False))
        return found

    @cached_property
    def uses(self) -> dict[str, set[str]]:
        """Which unit uses which others."""
        home = {
            name: unit.name
            for unit in self.units.values()
            for name in unit.declared | unit.inline | unit.variables
        }
        return {
            unit.name: {home[name] for name in unit.used - unit.private if name in home}
            - {unit.name}
            for unit in self.units.values()
        }


def blanked(text: str) -> str:
    """Return *text* with comments and strings blanked, the lines kept."""
    return BLANKED.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def code_of(text: str) -> str:
    """Return *text* without comments, strings, directives, and what is in braces."""
    code = DIRECTIVE.sub("", blanked(text))
    while (inner := re.sub(r"\{[^{}]*\}", "\0", code)) != code:
        code = inner
    return code


def declarations(code: str) -> Iterator[str]:
    """Yield the names of the functions that are declared, and defined elsewhere."""
    for statement in re.split(r";|\0(?!\s*;)", code):
        words = statement.split()
        if "\0" in statement or not words or words[0] in ("typedef", "static", "_Static_assert"):
            continue
        name = FUNCTION.search(statement)
        if name and name.group(1) != "static_assert" and not statement[: name.start()].isspace():
            yield name.group(1)


def definitions(code: str, *, static: bool = False) -> Iterator[str]:
    """Yield the names of the functions that are defined for others to call, or the *static* ones.

    An inline function is there for others, too.
    """
    for head in re.findall(r"([^;\0]*)\0", code):
        words = head.split()
        name = FUNCTION.search(head)
        if name and "=" not in head and ("static" in words and "inline" not in words) is static:
            yield name.group(1)


def variables(code: str, *, extern: bool = True) -> Iterator[str]:
    """Yield the names in what declares a variable: as *extern*, or as a file's own for others."""
    for statement in code.split(";"):
        head = statement.partition("=")[0].rpartition("\0")[2]
        words = head.split()
        if not words or "(" in head or words[0] in ("static", "typedef"):
            continue
        if (words[0] == "extern") is extern:
            for declarator in head.split(","):
                names = [name for name in NAME.findall(declarator) if not name.isupper()]
                yield from names[-1:]


def misplaced_functions(tree: CTree) -> list[str]:
    """Each function or variable that a header declares is defined by the `.c` of the same name."""
    return [
        f"{unit.name}.h declares {name}, which {unit.name}.c does not define"
        for unit in tree.units.values()
        for name in sorted((unit.declared - unit.defined) | (unit.variables - unit.at_top))
    ]


def foreign_declarations(tree: CTree) -> list[str]:
    """A `.c` declares no function of another file: it includes the header."""
    return [
        f"{unit.name}.c declares {name}, and does not define it"
        for unit in tree.units.values()
        for name in sorted(unit.foreign)
    ]


def undeclared_functions(tree: CTree) -> list[str]:
    """Each function that a `.c` defines for others is declared by its own header."""
    return [
        f"{unit.name}.c defines {name}, which {unit.name}.h does not declare"
        for unit in tree.units.values()
        if unit.name not in C_WITHOUT_HEADER
        for name in sorted(unit.defined - unit.declared)
    ]


def sources_without_header(tree: CTree) -> list[str]:
    """Each `.c` has its `.h`."""
    return [
        f"{unit.name}.c has no {unit.name}.h"
        for unit in tree.units.values()
        if unit.source and not unit.header and unit.name not in C_WITHOUT_HEADER
    ]


def call_circles(tree: CTree) -> list[str]:
    """No two `.c` files call one another, nor by their headers; no longer circle either."""
    return [" <-> ".join(group) for group in cycles(tree.uses)]


def folder_circles(tree: CTree) -> list[str]:
    """Nor do folders."""
    graph: dict[str, set[str]] = {}
    for name, used in tree.uses.items():
        graph.setdefault(folder(name), set()).update(folder(each) for each in used)
    return [" <-> ".join(group) for group in cycles(graph)]


def folder(name: str) -> str:
    """Return the folder of the unit *name*; "" for what lies beside the folders."""
    return name.rpartition("/")[0]


def upward_includes(tree: CTree) -> list[str]:
    """A file includes from its own folder or from those below; only python/ includes Python.h."""
    return [
        f"{path.relative_to(tree.native)} includes {name}"
        for path in tree.files
        for quote, name in INCLUDE.findall(path.read_text())
        if _is_upward(path.relative_to(tree.native), quote, name)
    ]


def _is_upward(path: Path, quote: str, name: str) -> bool:
    own = path.parts[0] if len(path.parts) > 1 else ""
    if quote == "<":
        return name in PYTHON_HEADERS and own != "python"
    parts = Path(name).parts
    if parts[0] == "..":
        other = parts[1] if len(parts) > 2 else ""
    else:
        other = parts[0] if len(parts) > 1 else own
    order = ("", *C_FOLDERS)
    return other not in order or own not in order or order.index(other) > order.index(own)


def imports_of_python(tree: CTree) -> list[str]:
    """The core imports no Python module: it is given what it needs, so it depends on none."""
    return [
        f"{unit.name} calls {name}"
        for unit in tree.units.values()
        for name in sorted(unit.used)
        if name.startswith(IMPORTERS)
    ]


def long_lines(tree: CTree) -> list[str]:
    """Comments are laid out by hand, so no formatter keeps them within the limit."""
    return [
        f"{path.relative_to(tree.native)}:{number} has {len(line)} columns"
        for path in sorted(tree.native.rglob("*.[ch]"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
