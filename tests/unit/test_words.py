"""The words of names: one meaning each. The list is in tests/support/structure_words.py."""

import pytest

from tests.support.structure import ROOT, assert_none
from tests.support.structure_words import ALLOWED, RETIRED, retired_names

pytestmark = pytest.mark.bare


def test_no_name_contains_a_retired_word() -> None:
    """Neither an identifier, nor a crash point, nor a file; see docs/design/glossary.md."""
    assert_none(retired_names(ROOT))


def test_every_allowed_name_has_a_reason() -> None:
    """An exception that says nothing would be a way around the rule."""
    assert all(len(reason) > 10 for reason in ALLOWED.values())
    assert not RETIRED & ALLOWED.keys()
