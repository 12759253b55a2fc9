"""Violations of the rules for C sources; see planted.py."""

from collections.abc import Callable

from tests.support import structure_c
from tests.support.planted import Planted, Rule


def of_c(rule: Callable[[structure_c.CTree], list[str]]) -> Rule:
    """Return a rule for the C sources as one of the folder."""
    return lambda root: rule(structure_c.CTree(root / "native"))


FOREIGN = of_c(structure_c.foreign_declarations)
MISPLACED = of_c(structure_c.misplaced_functions)
UNDECLARED = of_c(structure_c.undeclared_functions)
HEADERS = of_c(structure_c.sources_without_header)
CALLS = of_c(structure_c.call_circles)
FOLDERS = of_c(structure_c.folder_circles)
INCLUDES = of_c(structure_c.upward_includes)
COLUMNS = of_c(structure_c.long_lines)
IMPORTS_OF_C = of_c(structure_c.imports_of_python)

PLANTED_C: Planted = {
    "a function of another file": (
        MISPLACED,
        {"native/os/futex.h": "int futex_wake(int *word);\n"},
        "os/futex.h declares futex_wake, which os/futex.c does not define",
    ),
    "a variable of another file": (
        MISPLACED,
        {"native/os/clock.h": "long clock_now(void);\nextern long clock_start;\n"},
        "os/clock.h declares clock_start, which os/clock.c does not define",
    ),
    "a function declared where it is called": (
        FOREIGN,
        {"native/shm/block.c": "long clock_now(void);\n"},
        "shm/block.c declares clock_now, and does not define it",
    ),
    "a function of nobody's header": (
        UNDECLARED,
        {"native/os/clock.c": "int clock_id(void)\n{\n    return 1;\n}\n"},
        "os/clock.c defines clock_id, which os/clock.h does not declare",
    ),
    "a source without a header": (
        HEADERS,
        {"native/os/futex.c": "static int x;\n"},
        "os/futex.c has no os/futex.h",
    ),
    "files that call one another": (
        CALLS,
        {
            "native/os/a.h": "void a(void);\n",
            "native/os/a.c": "void a(void)\n{\n    b();\n}\n",
            "native/os/b.h": "void b(void);\n",
            "native/os/b.c": "void b(void)\n{\n    use(&a);\n}\n",
        },
        "os/a <-> os/b",
    ),
    "files that call one another by a macro": (
        CALLS,
        {
            "native/os/a.h": "#define A() b()\n",
            "native/os/a.c": "static int x;\n",
            "native/os/b.h": "void b(void);\n",
            "native/os/b.c": "void b(void)\n{\n    A();\n}\n",
        },
        "os/a <-> os/b",
    ),
    "three files that call one another": (
        CALLS,
        {
            f"native/os/{one}.{kind}": text
            for one, other in ("ab", "bc", "ca")
            for kind, text in (
                ("h", f"void {one}(void);\n"),
                ("c", f"void {one}(void)\n{{\n    {other}();\n}}\n"),
            )
        },
        "os/a <-> os/b <-> os/c",
    ),
    "folders that call one another": (
        FOLDERS,
        {
            "native/os/a.h": "void a(void);\n",
            "native/os/a.c": "void a(void)\n{\n    block_init(0);\n}\n",
        },
        "os <-> shm",
    ),
    "an include from above": (
        INCLUDES,
        {"native/os/clock.c": '#include "../shm/block.h"\n'},
        "os/clock.c includes ../shm/block.h",
    ),
    "Python.h below the bindings": (
        INCLUDES,
        {"native/os/clock.c": "#include <Python.h>\n"},
        "os/clock.c includes Python.h",
    ),
    "an import made by the core": (
        IMPORTS_OF_C,
        {"native/python/a.c": "void *f(void)\n{\n    return PyImport_ImportModule(name);\n}\n"},
        "python/a calls PyImport_ImportModule",
    ),
    "code that the core runs": (
        IMPORTS_OF_C,
        {"native/python/a.c": 'void f(void)\n{\n    PyRun_SimpleString("import x");\n}\n'},
        "python/a calls PyRun_SimpleString",
    ),
    "a long comment": (COLUMNS, {"native/os/clock.c": f"/* {'a ' * 50}*/\n"}, "clock.c:1 has 105"),
}
