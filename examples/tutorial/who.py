"""Who is whose parent: ``python who.py [fork|spawn|forkserver]``."""

import os
import sys

import procession


def who(title):
    """Print what this process knows of itself and of its parent."""
    this, parent = procession.current_process(), procession.parent_process()
    print(title)
    print("  process:", this.name, os.getpid())
    print("  parent: ", "none" if parent is None else f"{parent.name} {parent.pid}")


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    who("main line")
    process = procession.Process(target=who, args=("function",), name="child")
    process.start()
    process.join()
    print("child had process id", process.pid, "and exit code", process.exitcode)
