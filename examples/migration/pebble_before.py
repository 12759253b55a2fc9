"""A program for pebble."""

import os
import time
from concurrent.futures import CancelledError, TimeoutError

from pebble import ProcessExpired, ProcessPool


def work(seconds):
    """Take that long; 13 ends the worker."""
    if seconds == 13:
        os._exit(1)
    time.sleep(seconds)
    return seconds


def main():
    """Limit the time of a call, cancel one, lose one."""
    with ProcessPool(max_workers=1) as pool:
        print("result:", pool.schedule(work, args=(0,), timeout=30).result())
        try:
            pool.schedule(work, args=(600,), timeout=1).result()
        except TimeoutError:
            print("took too long")
        future = pool.schedule(work, args=(600,))
        future.cancel()
        try:
            future.result()
        except CancelledError:
            print("cancelled")
        try:
            pool.schedule(work, args=(13,)).result()
        except ProcessExpired:
            print("lost")


if __name__ == "__main__":
    main()
