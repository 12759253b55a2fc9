"""A program that starts processes and prints how long each took, in nanoseconds.

Idea: ``python benchmarks/programs/start_and_join.py LIBRARY METHOD COUNT TARGET`` is as small as a
program can be, for what it imports weighs on each start: a fork copies it, a fresh interpreter
imports it again.

Invariant: it imports nothing when it is imported.
"""


def nothing() -> None:
    """Do nothing."""


def number() -> int:
    """Return a number."""
    return 1


if __name__ == "__main__":
    import sys
    from importlib import import_module
    from time import perf_counter_ns

    library, method, count, name = sys.argv[1:]
    context = import_module(library).get_context(method)
    target = globals()[name]
    for _ in range(int(count)):
        process = context.Process(target=target)
        began = perf_counter_ns()
        process.start()
        process.join()
        print(perf_counter_ns() - began)
        assert process.exitcode == 0
        process.close()
