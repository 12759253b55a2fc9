"""The architecture, as far as the Python sources show it: names, layers, circles, sizes.

The tables are in tests/support/structure_tables.py, the rules in structure_rules.py.
"""

import pkgutil
import re
from multiprocessing import __path__ as standard_path

import pytest

from procession import connection
from tests.support import run_python
from tests.support import structure_rules as rules
from tests.support.structure import PACKAGE, ROOT, Tree, assert_none
from tests.support.structure_tables import BY_STRING, HEAVY, LAYERS, STANDARD_MODULES

pytestmark = pytest.mark.bare

TREE = Tree(ROOT)
SCRIPTS = [
    path
    for name in ("benchmarks", "tests", "tools")
    for path in sorted((ROOT / name).rglob("*.py"))
]
PATTERNS = {ROOT / "tests" / "support" / "structure_rules.py"}  # it says what is looked for
C_FILES = sorted(TREE.native.rglob("*.[ch]"))


def test_public_modules_have_public_names_and_all_others_an_underscore() -> None:
    """One rule of names, see `PUBLIC_MODULES`."""
    assert_none(rules.wrong_underscores(TREE))


def test_the_standard_names_are_those_of_the_standard_package() -> None:
    """The list is not longer than what programs can know from there."""
    there = {module.name for module in pkgutil.iter_modules(standard_path)} | {"dummy.connection"}

    assert there >= STANDARD_MODULES
    assert set(TREE.modules) >= STANDARD_MODULES


def test_modules_import_only_from_their_layer_or_below() -> None:
    """Data and imports flow one way; see docs/architecture.md."""
    assert_none(rules.upward_imports(TREE))


def test_the_layers_are_those_of_the_documentation() -> None:
    """The page's table and the test's are one."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| ([0-9]) \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    told = {int(number): set(re.findall(r"`(\w+)`", names)) for number, names in rows}

    layers = {n: {name or PACKAGE for name in names} for n, names in enumerate(LAYERS)}
    assert told == layers


def test_no_modules_import_one_another() -> None:
    """Not inside functions either: an import there saves start-up time, it never hides a cycle."""
    assert_none(rules.module_cycles(TREE))


def test_no_packages_import_one_another() -> None:
    """Nor by way of a third, or of the core."""
    assert_none(rules.unit_cycles(TREE))


def test_imports_by_string_are_listed_and_point_down() -> None:
    """A reader, and an editor, finds who uses a module by its imports."""
    assert_none(rules.undocumented_imports_by_string(TREE))
    named = {*BY_STRING, *(target for targets, _ in BY_STRING.values() for target in targets)}
    assert named <= set(TREE.modules)
    on_first_use = {f"connection.{module}" for module in connection._ON_FIRST_USE.values()}
    assert on_first_use == set(BY_STRING["connection"][0])


def test_nothing_of_the_standard_package_is_imported() -> None:
    """This is an implementation of its contract, not a wrapper."""
    assert_none(rules.imports_of_the_standard_package(TREE))


def test_a_module_says_its_idea_and_its_layer() -> None:
    """The docstring's first line is the idea's name, and one line tells the layer."""
    assert_none(rules.modules_without_a_layer_line(TREE))


def test_files_and_functions_are_short() -> None:
    """In Python and in C; a comment `size: why` exempts."""
    assert_none(rules.too_long(TREE, [*TREE.modules.values(), *SCRIPTS, *C_FILES]))


def test_no_unfinished_business_and_no_paths_of_one_machine() -> None:
    """What is left to do is an issue, not a comment."""
    paths = [path for path in [*TREE.modules.values(), *SCRIPTS, *C_FILES] if path not in PATTERNS]

    assert_none(rules.unfinished_or_local(TREE, paths))


def test_importing_the_package_loads_nothing_heavy_and_nothing_of_the_standard_one() -> None:
    """A drop-in must not cost start-up time, which every spawned process pays."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); before = set(sys.modules)\n"
        f"import {PACKAGE}; print(*(set(sys.modules) - before))"
    )

    outcome = run_python(code, options=("-I", "-S"))

    loaded = set(outcome.stdout.split())
    assert PACKAGE in loaded, outcome.stderr
    assert not {name for name in loaded if name.startswith("multiprocessing")}
    assert not loaded & set(HEAVY)


def test_no_module_loads_the_standard_package() -> None:
    """Not by way of something else that it imports, either."""
    names = [f"{PACKAGE}.{module}".rstrip(".") for module in TREE.modules if module != "__main__"]
    code = (
        "import sys, importlib\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    if 'multiprocessing' in sys.modules: sys.exit(name)\n"
    )

    outcome = run_python(code)

    assert outcome.exitcode == 0, outcome.stderr
