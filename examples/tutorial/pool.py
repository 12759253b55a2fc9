"""A pool of workers: ``python pool.py [fork|spawn|forkserver]``."""

import sys

import procession


def square(number):
    """One task."""
    return number * number


def power(base, exponent):
    """A task with two arguments."""
    return base**exponent


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    with procession.Pool(2) as pool:
        print("one call:", pool.apply(square, (7,)))
        print("a map:", pool.map(square, range(6)))
        print("two arguments:", pool.starmap(power, [(2, 5), (3, 2)]))
        print("as they come:", sorted(pool.imap_unordered(square, range(6))))
        print("a lambda:", pool.map(lambda number: number + 1, range(3)))
