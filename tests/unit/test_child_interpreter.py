"""What the interpreter of a child has of its parent's: options, path, arguments, folder."""

import os
import sys
from pathlib import Path

import pytest

from tests.support import run_python

# Programs of their own; the fork server of one may end after it.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

FRESH = ["spawn", "forkserver"]

FACTS = """
import os, sys, warnings
import procession

def facts():
    names = [name for name in dir(sys.flags) if not name.startswith(("_", "n_"))]
    flags = {name: getattr(sys.flags, name) for name in names if name not in ("count", "index")}
    filters = [(f[0], str(f[1]), f[2], str(f[3]), f[4]) for f in warnings.filters]
    return flags, sys._xoptions, sys.warnoptions, filters, sys.path, sys.argv, os.getcwd()

if __name__ == "__main__":
    process = procession.get_context(sys.argv[1]).Process(target=facts, returns=True)
    process.start()
    for mine, its in zip(facts(), process.result(30), strict=True):
        if mine != its:
            print("parent", mine, "child", its)
    process.join()
"""


OPTIONS = [
    "-O",
    "-OO",
    "-B",
    "-E",
    "-s",
    "-P",
    "-u",
    "-b",
    "-bb",
    "-Wdefault",
    "-Werror::DeprecationWarning -Wignore::UserWarning",
    "-X dev",
    "-X utf8=0",
    "-X faulthandler",
    "-X tracemalloc=5",
    "-X int_max_str_digits=5000",
    "-X no_debug_ranges",
    "-X frozen_modules=off",
    "-X warn_default_encoding",
    "-X our_own=7",
    "-O -B -X dev -Werror::ResourceWarning",
]


@pytest.mark.parametrize("method", FRESH)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_interpreters_options_are_passed_on(options: str, method: str) -> None:
    """There is no warning, whatever the options."""
    outcome = run_python(FACTS, method, options=tuple(options.replace("-X ", "-X").split()))

    assert (outcome.stdout, outcome.stderr, outcome.exitcode) == ("", "", 0)


@pytest.mark.parametrize("method", FRESH)
@pytest.mark.parametrize("options", [("-I",), ("-S",), ("-I", "-S")])
def test_an_isolated_program_has_isolated_children(options: tuple[str, ...], method: str) -> None:
    """They find the package where the program found it, though their path does not lead there."""
    import procession

    folder = os.path.dirname(procession.__path__[0])
    code = f"import sys\nif {folder!r} not in sys.path: sys.path.insert(0, {folder!r})\n{FACTS}"

    outcome = run_python(code, method, options=options)

    assert (outcome.stdout, outcome.stderr, outcome.exitcode) == ("", "", 0)


@pytest.mark.parametrize("method", FRESH)
def test_a_child_has_path_arguments_and_folder_of_the_moment(method: str, tmp_path: Path) -> None:
    """They are not those that the program began with."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "helper.py").write_text("def answer(): return 42\n")
    code = FACTS.replace(
        "    process = ",
        f"    method, sys.argv = sys.argv[1], ['changed', 'arguments']\n"
        f"    os.chdir({str(tmp_path)!r})\n"
        f"    sys.path.insert(0, 'inside')\n"
        f"    from helper import answer\n"
        f"    helper = procession.get_context(method).Process(target=answer, returns=True)\n"
        f"    helper.start()\n"
        f"    print(helper.result())\n"
        f"    process = ",
    ).replace("get_context(sys.argv[1])", "get_context(method)")

    outcome = run_python(code, method)

    assert (outcome.stdout, outcome.stderr) == ("42\n", "")


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0), reason="there, `import socket` fails in such a folder"
)
@pytest.mark.parametrize("method", FRESH)
def test_a_child_in_a_folder_that_is_gone_starts_all_the_same(method: str, tmp_path: Path) -> None:
    """Its parent goes on there, too."""
    code = """
    import os, shutil, sys
    import procession

    if __name__ == "__main__":
        os.mkdir(sys.argv[2])
        os.chdir(sys.argv[2])
        os.rmdir(sys.argv[2])
        process = procession.get_context(sys.argv[1]).Process(target=print, args=("here",))
        process.start()
        process.join()
    """

    outcome = run_python(code, method, str(tmp_path / "gone"))

    assert (outcome.stdout, outcome.exitcode) == ("here\n", 0), outcome.stderr
