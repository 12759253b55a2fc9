"""Processes count together: ``python values.py [fork|spawn|forkserver]``."""

import sys

import procession


def count(total, cells, number):
    """Count to a thousand, in two ways."""
    for _ in range(500):
        total.add(1)  # one step: nobody comes in between
    for _ in range(500):
        with total.get_lock():  # two steps, reading and writing, so they need the lock
            total.value += 1
    cells[number] = number * 1.5


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    total = procession.Value("i", 0)
    cells = procession.Array("d", 3)
    processes = [procession.Process(target=count, args=(total, cells, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print("total:", total.value)
    print("cells:", cells[:])
