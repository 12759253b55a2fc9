"""A function that the workers cannot import: one error for its caller, and the pool goes on."""

from pathlib import Path

import pytest

from tests.support import Outcome, run_python

PROGRAM = """
import os, sys
import procession

if __name__ == "__main__":
    with open("gone.py", "w") as file:
        file.write("def double(number):\\n    return 2 * number\\n")
    sys.path.insert(0, os.getcwd())
    import gone
    os.remove("gone.py")
    with procession.get_context(sys.argv[1]).Pool(2) as pool:
        before = sorted(process.pid for process in pool._pool)
        calls = {
            "map": lambda: pool.map(gone.double, range(100)),
            "apply": lambda: pool.apply(gone.double, (1,)),
            "imap": lambda: list(pool.imap(gone.double, range(100))),
        }
        for name, call in calls.items():
            try:
                call()
            except ModuleNotFoundError as error:
                print(name, error)
        print(pool.map(abs, [-1, -2]))
        print(sorted(process.pid for process in pool._pool) == before)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_each_call_raises_it_once_and_no_worker_dies(tmp_path: Path, method: str) -> None:
    """The workers print nothing and are not replaced; the next call works."""
    outcome = run_python(f"import os; os.chdir({str(tmp_path)!r})\n" + PROGRAM, method)

    said = "".join(f"{name} No module named 'gone'\n" for name in ("map", "apply", "imap"))
    assert outcome == Outcome(said + "[1, 2]\nTrue\n", "", 0)
