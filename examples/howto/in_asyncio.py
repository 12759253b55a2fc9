"""Processes and an event loop: ``python in_asyncio.py [fork|spawn|forkserver]``."""

import asyncio
import sys

import procession
from procession.queues import ShutDown


def square(number):
    """A task for a worker."""
    return number * number


def count(numbers):
    """Put numbers, then end the queue."""
    for number in range(3):
        numbers.put(number)
    numbers.shutdown()


async def tick(ticks):
    """Show that the loop goes on: count its turns."""
    while True:
        ticks.append(None)
        await asyncio.sleep(0.001)


async def main():
    """Wait for calls of a pool and for items of a queue, without a thread for either."""
    ticks = []
    ticking = asyncio.create_task(tick(ticks))
    with procession.Pool(2) as pool:
        print(await asyncio.gather(*(pool.apply_async(square, (n,)) for n in range(4))))

    numbers = procession.Queue()
    process = procession.Process(target=count, args=(numbers,))
    process.start()
    try:
        while True:
            print("item", await numbers.aget())
    except ShutDown:
        print("no more items")
    process.join()
    ticking.cancel()
    print("the loop went on:", len(ticks) > 0)


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    asyncio.run(main())
