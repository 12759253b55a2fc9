"""Violations of the rules for Python sources and for names, to be planted in a small tree.

Idea: a row has a rule, the files that break it, and a part of what the rule reports then. The files
are put into a tree that breaks no rule.
"""

from collections.abc import Callable
from pathlib import Path

from tests.support import structure_c, structure_rules
from tests.support.structure import Tree
from tests.support.structure_words import retired_names

Rule = Callable[[Path], list[str]]
Planted = dict[str, tuple[Rule, dict[str, str], str]]
PACKAGE = "src/procession"

# What each tree consists of, if nothing is planted.
SOUND = {
    f"{PACKAGE}/__init__.py": '"""Layer: context."""\nfrom . import context\n',
    f"{PACKAGE}/_base/__init__.py": '"""Layer: base."""\n',
    f"{PACKAGE}/_base/clock.py": '"""Layer: base."""\nimport time\n',
    f"{PACKAGE}/context.py": '"""Layer: context."""\nfrom .pool import _worker\n',
    f"{PACKAGE}/pool/__init__.py": '"""Layer: pool."""\n',
    f"{PACKAGE}/pool/_worker.py": '"""Layer: pool."""\nfrom .._base import clock\n',
    f"{PACKAGE}/spawn.py": '"""Layer: process."""\nfrom ._base import clock\n',
    "native/os/clock.h": "long clock_now(void);\n",
    "native/os/clock.c": '#include "clock.h"\nlong clock_now(void)\n{\n    return 0;\n}\n',
    "native/shm/block.h": "void block_init(long *at);\n",
    "native/shm/block.c": (
        '#include "block.h"\n#include "../os/clock.h"\n'
        "void block_init(long *at)\n{\n    *at = clock_now();\n}\n"
    ),
    "tests/test_it.py": "def test_it():\n    pass\n",
    "benchmarks/__init__.py": "",
    "tools/find.py": "",
}


def of_tree(rule: Callable[[Tree], list[str]]) -> Rule:
    """Return a rule for the Python sources as one of the folder."""
    return lambda root: rule(Tree(root))


def sizes(root: Path) -> list[str]:
    """Return what is too long in the tree, Python and C."""
    tree = Tree(root)
    return structure_rules.too_long(
        tree, [*tree.modules.values(), *structure_c.CTree(root / "native").files]
    )


def unfinished(root: Path) -> list[str]:
    """Return what is left to do in the tree."""
    tree = Tree(root)
    return structure_rules.unfinished_or_local(tree, list(tree.modules.values()))


UNDERSCORES = of_tree(structure_rules.wrong_underscores)
LAYERS = of_tree(structure_rules.upward_imports)
MODULES = of_tree(structure_rules.module_cycles)
UNITS = of_tree(structure_rules.unit_cycles)
BY_STRING = of_tree(structure_rules.undocumented_imports_by_string)
STANDARD = of_tree(structure_rules.imports_of_the_standard_package)
DOCSTRINGS = of_tree(structure_rules.modules_without_a_layer_line)

LONG_PYTHON = "def long():\n" + "    pass\n" * 40
LONG_C = "void block_init(long *at)\n{\n" + "    ++*at;\n" * 40 + "}\n"

PLANTED: Planted = {
    "a new public module": (UNDERSCORES, {f"{PACKAGE}/tasks.py": ""}, "tasks.py"),
    "a public file in a public package": (UNDERSCORES, {f"{PACKAGE}/pool/tasks.py": ""}, "tasks"),
    "two underscores": (UNDERSCORES, {f"{PACKAGE}/_base/_log.py": ""}, "_log.py: its package"),
    "a file with two underscores": (UNDERSCORES, {f"{PACKAGE}/_base/__x.py": ""}, "its package"),
    "a package in a public package": (
        UNDERSCORES,
        {f"{PACKAGE}/pool/_a/__init__.py": "", f"{PACKAGE}/pool/_a/_b.py": ""},
        "pool/_a/_b.py: its package",
    ),
    "a public package inside": (UNDERSCORES, {f"{PACKAGE}/pool/a/__init__.py": ""}, "pool/a"),
    "a unit without a layer": (LAYERS, {f"{PACKAGE}/_new.py": ""}, "_new has no layer"),
    "an import upwards": (
        LAYERS,
        {f"{PACKAGE}/_base/clock.py": "from .. import spawn\n"},
        "clock.py:1: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "an import upwards in a function": (
        LAYERS,
        {f"{PACKAGE}/_base/clock.py": "def f():\n    from ..pool._worker import work\n"},
        "clock.py:2: _base.clock of layer 1 imports pool._worker of layer 4",
    ),
    "an import upwards by string": (
        LAYERS,
        {f"{PACKAGE}/_base/clock.py": "import sys\nx = sys.modules['procession.spawn']\n"},
        "clock.py:2: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "an import upwards from C": (
        LAYERS,
        {"native/os/clock.c": 'void *f(void)\n{\n    return get("procession.spawn", "x");\n}\n'},
        "native/os/clock.c:3: _core of layer 0 imports spawn of layer 3",
    ),
    "two modules": (
        MODULES,
        {f"{PACKAGE}/pool/_a.py": "from . import _b", f"{PACKAGE}/pool/_b.py": "from ._a import x"},
        "pool._a <-> pool._b",
    ),
    "a module and the package around it": (
        MODULES,
        {
            f"{PACKAGE}/pool/__init__.py": "from ._worker import work",
            f"{PACKAGE}/pool/_worker.py": "from . import name",
        },
        "pool <-> pool._worker",
    ),
    "a circle through an __init__": (
        MODULES,
        {
            f"{PACKAGE}/pool/__init__.py": "from ..managers._b import x",
            f"{PACKAGE}/managers/__init__.py": "from ..dummy import y",
            f"{PACKAGE}/managers/_b.py": "",
            f"{PACKAGE}/dummy.py": "from .pool._worker import z",
        },
        "dummy <-> managers <-> pool",
    ),
    "a circle through the core": (
        MODULES,
        {
            "native/os/clock.c": 'const char *name = "procession.spawn";\n',
            f"{PACKAGE}/spawn.py": "from . import _core",
        },
        "_core <-> spawn",
    ),
    "a circle by an f-string": (
        MODULES,
        {
            f"{PACKAGE}/pool/_a.py": "from importlib import import_module as i\n"
            "import importlib\ndef f(): importlib.import_module(f'{__package__}._b')\n",
            f"{PACKAGE}/pool/_b.py": "from . import _a",
        },
        "pool._a <-> pool._b",
    ),
    "two packages by different modules": (
        UNITS,
        {
            f"{PACKAGE}/managers/_a.py": "from ..pool._worker import x",
            f"{PACKAGE}/managers/_b.py": "",
            f"{PACKAGE}/pool/_c.py": "from ..managers._b import y",
        },
        "managers <-> pool",
    ),
    "a look into sys.modules": (
        LAYERS,
        {
            f"{PACKAGE}/_base/clock.py": "import sys\nsys.modules.get(f'{__package__}.b.c')\n"
            "sys.modules[f'procession.{\"spawn\"}']\n"
        },
        "clock.py:3: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "a look into sys.modules by a name made at run time": (
        BY_STRING,
        {f"{PACKAGE}/spawn.py": "import sys\nfor n in names: sys.modules.get('procession.' + n)\n"},
        "spawn.py:2: a name made at run time",
    ),
    "an import under another name": (
        LAYERS,
        {
            f"{PACKAGE}/_base/clock.py": "from importlib import import_module as get\n"
            "get(f'{__package__[:-6]}.spawn'); get(name='procession.spawn')\n"
        },
        "clock.py:2: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "a relative import by string": (
        LAYERS,
        {f"{PACKAGE}/_base/clock.py": "__import__('spawn', globals(), level=2)\n"},
        "clock.py:1: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "an import of code": (
        LAYERS,
        {f"{PACKAGE}/_base/clock.py": "exec('from procession import spawn')\n"},
        "clock.py:1: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "a path to be resolved": (
        LAYERS,
        {f"{PACKAGE}/_base/clock.py": "resolve = 'procession.spawn:main'\n"},
        "clock.py:1: _base.clock of layer 1 imports spawn of layer 3",
    ),
    "an importing function looked up": (
        BY_STRING,
        {f"{PACKAGE}/spawn.py": "import importlib\ngetattr(importlib, 'import_module')(name)\n"},
        "spawn.py:2: a name made at run time",
    ),
    "an import by a constant string": (
        BY_STRING,
        {f"{PACKAGE}/spawn.py": "__import__('procession._base.clock')\n"},
        "spawn.py:1: procession._base.clock by string",
    ),
    "an import by a name made at run time": (
        BY_STRING,
        {f"{PACKAGE}/spawn.py": "import importlib\nimportlib.import_module(name)\n"},
        "spawn.py:2: a name made at run time",
    ),
    "an import that another process makes": (
        BY_STRING,
        {f"{PACKAGE}/spawn.py": "CODE = 'import procession._base.clock; main()'\n"},
        "spawn.py:1: procession._base.clock by string",
    ),
    "an import by string in C": (
        BY_STRING,
        {"native/os/clock.c": 'const char *name = "procession._base.clock";\n'},
        "native/os/clock.c:1: the core imports _base.clock",
    ),
    "the standard package": (
        STANDARD,
        {f"{PACKAGE}/spawn.py": "from multiprocessing import util\n"},
        "spawn.py:1: multiprocessing.util",
    ),
    "a docstring without a layer": (DOCSTRINGS, {f"{PACKAGE}/spawn.py": '"""Hm."""'}, "spawn.py"),
    "a long file": (sizes, {f"{PACKAGE}/spawn.py": "\n" * 400}, "spawn.py has 400 lines"),
    "a long function": (sizes, {f"{PACKAGE}/spawn.py": LONG_PYTHON}, "spawn.py:1: long has 41"),
    "a long C file": (sizes, {"native/os/clock.c": "\n" * 400}, "clock.c has 400 lines"),
    "a long C function": (sizes, {"native/shm/block.c": LONG_C}, "has 43 lines"),
    "unfinished business": (unfinished, {f"{PACKAGE}/spawn.py": "# TO" + "DO: more"}, "TO" + "DO"),
    "a retired word in Python": (
        retired_names,
        {f"{PACKAGE}/spawn.py": "def bury_it(): pass\n"},
        "spawn.py:1: bury_it has the word bury",
    ),
    "a retired word in CamelCase": (
        retired_names,
        {"tests/test_it.py": "class TheCrew: pass\n"},
        "test_it.py:1: TheCrew has the word crew",
    ),
    "a retired word in another form": (
        retired_names,
        {f"{PACKAGE}/spawn.py": "def hiring(): pass\nwas_buried = is_settled = 1\n"},
        "spawn.py:1: hiring has the word hiring",
    ),
    "a retired word written together with another": (
        retired_names,
        {f"{PACKAGE}/spawn.py": "seatcount = 1\n"},
        "spawn.py:1: seatcount has the word seatcount",
    ),
    "a retired word in C": (
        retired_names,
        {"native/os/clock.h": "struct annex *first_annex;\n"},
        "clock.h:1: first_annex has the word annex",
    ),
    "a retired word in a crash point": (
        retired_names,
        {"native/os/clock.c": 'CRASH_POINT("lock.obituary");\n'},
        "clock.c:1: lock.obituary has the word obituary",
    ),
    "a retired word in a file's name": (
        retired_names,
        {"tools/seats.py": ""},
        "tools/seats.py: seats has the word seats",
    ),
    "a retired word in the name of a page": (
        retired_names,
        {"docs/design/doorbells.md": ""},
        "docs/design/doorbells.md: doorbells has the word doorbells",
    ),
    "a file's name that was given up": (
        retired_names,
        {f"{PACKAGE}/_launch/death.py": ""},
        "_launch/death.py: death is a name that was given up",
    ),
    "a retired word in a folder's name": (
        retired_names,
        {"benchmarks/anchor/a.py": ""},
        "benchmarks/anchor: anchor has the word anchor",
    ),
    "a word that is retired in one place": (
        retired_names,
        {f"{PACKAGE}/managers/_client.py": "def drop(): pass\n"},
        "_client.py:1: drop has the word drop",
    ),
}
