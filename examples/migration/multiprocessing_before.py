"""A program for the standard package."""

import multiprocessing


def square(number):
    """One task."""
    return number * number


def produce(queue):
    """Put a few squares."""
    for number in range(3):
        queue.put(square(number))


def main():
    """Use a process, a queue and a pool."""
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=produce, args=(queue,))
    process.start()
    print([queue.get() for _ in range(3)])
    process.join()
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(4)))


if __name__ == "__main__":
    main()
