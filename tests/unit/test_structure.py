"""The architecture, as far as it can be read from the sources: layers, sizes, what is never there.

The table below is that of docs/architecture.md. A new module gets a line in it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import run_python
from tests.support.structure import PACKAGE, PATHS, ROOT, SOURCES, cycles, edges, imports

pytestmark = pytest.mark.bare

LAYERS: tuple[tuple[str, ...], ...] = (
    ("_core",),
    ("_base", "util"),
    (
        *("_pickling", "reduction", "resource_sharer", "resource_tracker", "heap"),
        *("shared_memory", "sharedctypes", "synchronize", "connection", "queues", "shared"),
        "_log_forwarding",
    ),
    (
        *("process", "_launch", "spawn", "forkserver"),
        *("popen_fork", "popen_spawn_posix", "popen_forkserver"),
    ),
    ("pool", "managers", "dummy"),
    ("context", "_patching", ""),
    ("futures", "__main__"),
)
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

C_FOLDERS = ("os", "shm", "sync", "channel", "container", "python")  # from the bottom
NATIVE = ROOT / "native"
C_FILES = sorted(path for path in NATIVE.rglob("*.[ch]") if "tests" not in path.parts)

LONGEST_FILE = 399
LONGEST_FUNCTION = 39
EXEMPT = re.compile(r"(?:#|/\*)\s*size:\s*\S.{9,}")  # with a reason, not a word alone

# Imports that would make `import procession` slower than `import multiprocessing`.
HEAVY = (
    *("asyncio", "cloudpickle", "concurrent.futures", "ctypes", "inspect", "logging", "numpy"),
    *("pickle", "selectors", "shutil", "socket", "ssl", "subprocess", "tempfile", "typing"),
)


def name_of(path: Path) -> str:
    """Return the path as the reports show it."""
    return str(path.relative_to(ROOT))


def python_functions(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Yield name, first line and lines of each function, methods and nested ones included."""
    lines = path.read_text().splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.lineno, lines[node.lineno - 1 : node.end_lineno]


def c_functions(path: Path) -> Iterator[tuple[str, int, list[str]]]:
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


@pytest.mark.parametrize("module", PATHS)
def test_a_module_imports_only_from_its_layer_or_below(module: str) -> None:
    """Data and imports flow one way; see docs/architecture.md."""
    own = module.partition(".")[0]
    assert own in LAYER_OF, f"give {own!r} a layer in {name_of(Path(__file__))}"

    upwards = [
        f"{name_of(PATHS[module])}:{line} imports {target or PACKAGE} of layer {layer}"
        for target, line in edges(module)
        if (layer := LAYER_OF[target.partition(".")[0]]) > LAYER_OF[own]
    ]

    assert not upwards, f"{own or PACKAGE} is of layer {LAYER_OF[own]}"


def test_no_modules_import_one_another() -> None:
    """Not even inside functions: an import there saves start-up time, it never hides a cycle."""
    graph = {module: {target for target, _ in edges(module)} for module in PATHS}

    assert cycles(graph) == []


@pytest.mark.parametrize("module", PATHS)
def test_nothing_of_the_standard_package_is_imported(module: str) -> None:
    """This is an implementation of its contract, not a wrapper."""
    standard = [
        f"{name_of(PATHS[module])}:{line}"
        for name, line in imports(module)
        if name.partition(".")[0] in ("multiprocessing", "_multiprocessing", "_posixshmem")
    ]

    assert not standard


@pytest.mark.parametrize("module", PATHS)
def test_a_module_says_its_idea_and_its_layer(module: str) -> None:
    """The docstring's first line is the idea's name, and one line tells the layer."""
    docstring = ast.get_docstring(ast.parse(PATHS[module].read_text())) or ""

    assert "Layer:" in docstring


@pytest.mark.parametrize("path", [*PATHS.values(), *C_FILES], ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    """A comment `size: reason` exempts the file (in its first 30 lines) or the function."""
    lines = path.read_text().splitlines()
    functions = python_functions(path) if path.suffix == ".py" else c_functions(path)

    long = [
        f"{name_of(path)}:{line} {name} has {len(body)} lines"
        for name, line, body in functions
        if len(body) > LONGEST_FUNCTION and not any(EXEMPT.search(each) for each in body)
    ]

    assert not long
    assert len(lines) <= LONGEST_FILE or any(EXEMPT.search(each) for each in lines[:30])


@pytest.mark.parametrize("path", [*PATHS.values(), *NATIVE.rglob("*.[ch]")], ids=name_of)
def test_no_unfinished_business_and_no_paths_of_one_machine(path: Path) -> None:
    """What is left to do is an issue, not a comment."""
    text = path.read_text()

    assert not re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b", text)
    assert not re.findall(r"(?:/root|/home|/work)/\w+", text)


@pytest.mark.parametrize("path", C_FILES, ids=name_of)
def test_c_files_include_only_from_their_folder_or_below(path: Path) -> None:
    """native/os is the bottom; Python.h belongs to the bindings alone."""
    included = re.findall(r'^#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)
    if path.parent.name == "python":
        return
    assert not {"Python.h", "structmember.h"} & set(included)
    if path.parent == NATIVE:
        return

    folders = {Path(name).parts[-2] for name in included if name.startswith("../")}

    below = C_FOLDERS[: C_FOLDERS.index(path.parent.name) + 1]
    assert (folders & set(C_FOLDERS)) <= set(below)


def test_importing_the_package_loads_nothing_heavy_and_nothing_of_the_standard_one() -> None:
    """A drop-in must not cost start-up time, which every spawned process pays."""
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCES.parent)!r}); before = set(sys.modules)\n"
        f"import {PACKAGE}; print(*(set(sys.modules) - before))"
    )

    outcome = run_python(code, options=("-I", "-S"))

    loaded = set(outcome.stdout.split())
    assert PACKAGE in loaded, outcome.stderr
    assert not {name for name in loaded if name.startswith("multiprocessing")}
    assert not loaded & set(HEAVY)


def test_no_module_loads_the_standard_package() -> None:
    """Not by way of something else that it imports, either."""
    names = [f"{PACKAGE}.{module}".rstrip(".") for module in PATHS if module != "__main__"]
    code = (
        "import sys, importlib\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    if 'multiprocessing' in sys.modules: sys.exit(name)\n"
    )

    outcome = run_python(code)

    assert outcome.exitcode == 0, outcome.stderr
