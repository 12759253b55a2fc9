"""How processes end, and what is known of it: ``python ends.py [fork|spawn|forkserver]``."""

import sys
import time

import procession


def exit_with(code):
    """End by sys.exit."""
    sys.exit(code)


def fail():
    """End by an exception."""
    raise ValueError("on purpose")


def wait():
    """End when somebody ends it."""
    time.sleep(600)


def double(x):
    """End in order."""
    return 2 * x


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    programs = [
        procession.Process(name="returns", target=double, args=(21,), returns=True),
        procession.Process(name="exits", target=exit_with, args=(3,)),
        procession.Process(name="raises", target=fail),
        procession.Process(name="is terminated", target=wait),
    ]
    for process in programs:
        process.start()
    programs[-1].terminate()
    for process in programs:
        process.join()
        print(process.name, process.exitcode)
    print("result:", programs[0].result())
    print("error:", repr(programs[2].exception()))
    print("loss:", type(programs[3].exception()).__name__, programs[3].exception().exitcode)
