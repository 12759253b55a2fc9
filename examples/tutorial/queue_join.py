"""Put, then join, then get: ``python queue_join.py [fork|spawn|forkserver]``."""

import sys

import procession


def produce(queue):
    """Put a million bytes, and end."""
    queue.put(b"x" * 1_000_000)


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    queue = procession.Queue()
    process = procession.Process(target=produce, args=(queue,))
    process.start()
    process.join()  # the item is in shared memory, so the child may end before anybody takes it
    print("the child has ended; items in the queue:", queue.qsize())
    print("bytes received:", len(queue.get()))
