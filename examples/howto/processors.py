"""How many workers a pool has by default: ``python processors.py``."""

import os

import procession


def main():
    """Allow this process one processor, then make a pool."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with procession.Pool() as pool:
        print("workers:", len(pool.stats().workers))


if __name__ == "__main__":
    main()
