"""A program for mpire."""

from mpire import WorkerPool


def prepare(worker_state):
    """What each worker makes once."""
    worker_state["table"] = {number: number * number for number in range(10)}


def look_up(worker_state, number):
    """Use it."""
    return worker_state["table"][number]


def add(first, second):
    """A task with two arguments."""
    return first + second


def main():
    """Keep something in each worker, and give several arguments."""
    with WorkerPool(n_jobs=2, use_worker_state=True) as pool:
        print(pool.map(look_up, range(5), worker_init=prepare))
    with WorkerPool(n_jobs=2) as pool:
        print(pool.map(add, [(1, 2), (3, 4)]))


if __name__ == "__main__":
    main()
