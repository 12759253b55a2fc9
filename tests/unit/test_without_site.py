"""An interpreter without site folders (-S) has no cloudpickle: what can be imported still works."""

import os
import subprocess
import sys

import pytest

from tests.support.structure import ROOT

CODE = """
import operator, procession
context = procession.get_context({method!r})
process = context.Process(target=operator.add, args=(1, 2), returns=True)
process.start()
print(process.result())
"""


@pytest.mark.bare
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_starts_and_gives_its_result(method: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-S", "-c", CODE.format(method=method)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.stdout, ended.stderr) == ("3\n", "")
