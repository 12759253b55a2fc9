"""A process runs a function with arguments: ``python greet.py [fork|spawn|forkserver]``."""

import sys

import procession


def greet(name, *, greeting="Hello"):
    """Print a line."""
    print(f"{greeting}, {name}!")


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    first = procession.Process(target=greet, args=("world",))
    first.start()
    first.join()
    second = procession.Process(target=greet, args=("again",), kwargs={"greeting": "Welcome"})
    second.start()
    second.join()
