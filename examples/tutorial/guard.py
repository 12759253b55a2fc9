"""A program that is right under each start method: ``python guard.py [fork|spawn|forkserver]``."""

import sys

import procession

LANGUAGE = "en"  # the same in each process that loads this module


def prepare(prefix):
    """Run once in each worker, when it starts: what it needs and nobody can send."""
    global greeting
    greeting = {"en": "hello", "de": "hallo"}[LANGUAGE] + prefix


def greet(name):
    """Use what `prepare` has made."""
    return f"{greeting}{name}"


def main():
    """What only the main process does."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    with procession.Pool(2, initializer=prepare, initargs=(", ",)) as pool:
        print(*pool.map(greet, ["world", "again"]), sep="\n")


if __name__ == "__main__":
    main()
