"""Forks while another thread imports: the child can import the same modules."""

import pytest

from tests.support import Outcome, run_python

PROGRAM = """
import os, sys, threading, warnings
import procession

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: that is the matter
sys.path.insert(0, os.getcwd())
os.makedirs("{package}", exist_ok=True)
with open("{file}", "w") as file:
    file.write("value = 1\\nimport sys\\nsys.modules['__main__'].reached()\\nvalue = 2\\n")

parent, begun, go_on = os.getpid(), threading.Event(), threading.Event()

def reached():
    if os.getpid() == parent:
        begun.set()
        go_on.wait()

def look():
    import {module} as half
    return half.value

def kill_oneself(attempts):
    if attempts.add(1) == 1:
        os.kill(os.getpid(), 9)
    return look()

if __name__ == "__main__":
    context = procession.get_context("fork")
    attempts, pool = context.Value("i", 0), {pool}
    thread = threading.Thread(target=look)
    thread.start()
    begun.wait()
    {work}
    go_on.set()
    thread.join()
    print(look())
"""

PROCESS = """
    process = context.Process(target=look, returns=True)
    process.start()
    print(process.result(timeout=20))
    process.close()
"""

# The pool's own thread forks the worker that does the task again.
WORKER = """
    with pool:
        print(pool.apply_async(kill_oneself, (attempts,), retries=1).get(timeout=20))
"""


@pytest.mark.parametrize("module", ["half", "package.half"])
@pytest.mark.parametrize(("pool", "work"), [("None", PROCESS), ("context.Pool(1)", WORKER)])
def test_what_another_thread_was_importing(
    tmp_path: object, module: str, pool: str, work: str
) -> None:
    """It is not locked in the child, nor half made there; in the parent it goes on."""
    package, _, _ = module.rpartition(".")
    parts = {
        "package": package or ".",
        "module": module,
        "file": module.replace(".", "/") + ".py",
        "pool": pool,
        "work": work.strip(),
    }
    program = PROGRAM
    for name, text in parts.items():
        program = program.replace(f"{{{name}}}", text)

    outcome = run_python(f"import os; os.chdir({str(tmp_path)!r})\n" + program.lstrip())

    assert outcome == Outcome("2\n2\n", "", 0)
