"""tqdm's process_map, over the standard executor."""

import multiprocessing
import sys

from tqdm.contrib.concurrent import process_map


def square(number):
    return number * number


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    print(process_map(square, range(50), max_workers=2, chunksize=5, disable=True))
    print(process_map(square, range(5), max_workers=2, chunksize=1))  # a bar on standard error
