"""What `get` makes of messages that something has written over: an error, and no harm.

Each case runs in a program of its own, with an arena of its own: `tests.support.spoiled_records`.
"""

import os
from pathlib import Path

import pytest

from tests.support.programs import run_python

pytestmark = [pytest.mark.bare, pytest.mark.orphans]

ROOT = Path(__file__).parent.parent.parent
MEMORY_LIMIT = 300_000_000  # bytes; what is announced reaches to 2**64


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("header", 2_000),
        ("contents", 1_000),
        ("spans", 1_000),
        ("payload", 500),
        ("end", 10),
    ],
)
def test_a_spoiled_message_is_refused_and_harms_nobody(case: str, count: int) -> None:
    outcome = run_python(
        "from tests.support.spoiled_records import main; main()",
        case,
        str(count),
        timeout=50,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    assert outcome.exitcode == 0, outcome.stderr
    assert int(outcome.stdout) < MEMORY_LIMIT
