"""Large arrays go to the workers and back: ``python arrays.py [fork|spawn|forkserver]``."""

import sys

import numpy as np

import procession


def shift(orders, results):
    """Add one to each array that comes; it lies in shared memory and can be changed there."""
    for array in orders.iter_until_closed():
        array += 1
        results.put(array)


def main():
    """Send three arrays of eight million bytes."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    orders, results = procession.Queue(maxsize=2), procession.Queue()
    worker = procession.Process(target=shift, args=(orders, results))
    worker.start()
    for number in range(3):
        orders.put(np.full(1_000_000, number, dtype=np.int64))
    orders.shutdown()
    for _ in range(3):
        array = results.get()
        print(array.nbytes, array[0], array[-1])
    worker.join()


if __name__ == "__main__":
    main()
