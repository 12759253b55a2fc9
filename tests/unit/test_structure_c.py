"""The architecture, as far as the C sources show it; the rules are in structure_c.py."""

import pytest

from tests.support import structure_c as rules
from tests.support.structure import ROOT, assert_none

pytestmark = pytest.mark.bare

TREE = rules.CTree(ROOT / "native")
TESTS = rules.CTree(ROOT / "native" / "tests", without=())


def test_each_function_is_declared_and_defined_under_one_name() -> None:
    """Who reads a header finds the code in the `.c` beside it."""
    assert_none(rules.misplaced_functions(TREE))
    assert_none(rules.undeclared_functions(TREE))
    assert_none(rules.foreign_declarations(TREE))
    assert_none(rules.sources_without_header(TREE))


def test_the_same_holds_for_what_tests_share() -> None:
    """A test itself is one file, which is its own table of contents."""
    assert_none(rules.misplaced_functions(TESTS))
    assert_none(rules.foreign_declarations(TESTS))
    assert_none(rules.call_circles(TESTS))


def test_no_files_call_one_another_in_a_circle() -> None:
    """Each can be understood, and tested, with what lies below it."""
    assert_none(rules.call_circles(TREE))


def test_no_folders_call_one_another_in_a_circle() -> None:
    """The layers of the core are its folders."""
    assert_none(rules.folder_circles(TREE))


def test_files_include_only_from_their_folder_or_below() -> None:
    """native/os is the bottom; Python.h belongs to the bindings alone."""
    assert_none(rules.upward_includes(TREE))


def test_the_core_imports_no_python_module() -> None:
    """Nor by way of the interpreter: modules give it their hooks."""
    assert_none(rules.imports_of_python(TREE))


def test_lines_are_short_comments_too() -> None:
    """The formatter leaves comments as they are."""
    assert_none(rules.long_lines(TREE))
