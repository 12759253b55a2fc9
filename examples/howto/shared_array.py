"""All processes see one array: ``python shared_array.py [fork|spawn|forkserver]``."""

import sys

import numpy as np

import procession
from procession.shared_memory import SharedMemory

SHAPE = (4, 1000)


def fill(name, row):
    """Fill one row, in place."""
    memory = SharedMemory(name)  # attached, so never removed by this process
    memory.as_array(SHAPE, np.int64)[row] = row
    memory.close()


def main():
    """Have each row filled by a process of its own."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    memory = SharedMemory(create=True, size=SHAPE[0] * SHAPE[1] * 8)
    array = memory.as_array(SHAPE, np.int64)
    processes = [procession.Process(target=fill, args=(memory.name, row)) for row in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(array.sum(axis=1))
    memory.unlink()  # the array remains valid until the last reference to it is gone


if __name__ == "__main__":
    main()
