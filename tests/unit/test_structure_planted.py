"""Tests of the structure's tests: a violation of each kind is planted, and found.

Each row is a small tree that breaks one rule. The same tree without the planted file breaks none,
so what is reported is what was planted. The rows are in tests/support/planted.py and planted_c.py.
"""

from pathlib import Path

import pytest

from tests.support import planted
from tests.support.planted import PACKAGE, SOUND, Rule
from tests.support.planted_c import PLANTED_C

pytestmark = pytest.mark.bare

PLANTED = planted.PLANTED | PLANTED_C


def plant(root: Path, files: dict[str, str]) -> None:
    """Write *files* below *root*."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("rule", {rule: None for rule, _, _ in PLANTED.values()})
def test_nothing_is_found_in_a_sound_tree(tmp_path: Path, rule: Rule) -> None:
    """A rule that always reports would find every violation."""
    plant(tmp_path, SOUND)

    assert rule(tmp_path) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_violation_is_found(tmp_path: Path, kind: str) -> None:
    """A rule that never reports would be kept by every tree."""
    rule, files, report = PLANTED[kind]
    plant(tmp_path, SOUND | files)

    found = rule(tmp_path)

    assert [line for line in found if report in line], found


def test_what_is_no_violation_is_not_reported(tmp_path: Path) -> None:
    """Names of types, public paths, imports for the type checker, exempted sizes, prose."""
    plant(
        tmp_path,
        SOUND
        | {
            f"{PACKAGE}/_base/clock.py": '"""Layer: base; crew, see procession.spawn."""\n'
            "if TYPE_CHECKING:\n    from ..pool import Pool\n"
            "def f():\n    # size: it is one list of steps\n"
            + "    pass\n" * 40
            + "f.__module__ = 'procession.pool'\nexport('procession.pool', f)\n",
            "native/os/clock.h": "/* The crew. */\nlong clock_now(void);\n"
            "static inline long clock_later(void)\n{\n    return clock_now() + 1;\n}\n",
            "native/os/clock.c": '#include "clock.h"\n'
            'static const char *n = "procession._core.A";\n'
            "long clock_now(void)\n{\n    return 0; /* not block_init() */\n}\n",
        },
    )

    reports = [line for rule, _, _ in PLANTED.values() for line in rule(tmp_path)]

    assert reports == []
