"""The same program for Procession."""

from procession import Pool
from procession.pool import worker_state


def prepare():
    """What each worker makes once."""
    return {number: number * number for number in range(10)}


def look_up(number):
    """Use it."""
    return worker_state()[number]


def add(first, second):
    """A task with two arguments."""
    return first + second


def main():
    """Keep something in each worker, and give several arguments."""
    with Pool(2, worker_init=prepare) as pool:
        print(pool.map(look_up, range(5)))
        print(pool.starmap(add, [(1, 2), (3, 4)]))


if __name__ == "__main__":
    main()
