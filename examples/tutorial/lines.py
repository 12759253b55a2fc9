"""Five processes print under a lock: ``python lines.py [fork|spawn|forkserver]``.

Without the lock the two halves of one process's line may be torn apart by another's.
"""

import sys

import procession


def say(lock, number):
    """Print one line in two halves."""
    with lock:
        print("process", number, end=" ", flush=True)
        print("has the lock", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    lock = procession.Lock()
    processes = [procession.Process(target=say, args=(lock, number)) for number in range(5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
