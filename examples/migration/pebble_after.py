"""The same program for Procession."""

import os
import time
from concurrent.futures import CancelledError

from procession import Pool, TimeoutError, WorkerLostError


def work(seconds):
    """Take that long; 13 ends the worker."""
    if seconds == 13:
        os._exit(1)
    time.sleep(seconds)
    return seconds


def main():
    """Limit the time of a call, cancel one, lose one."""
    with Pool(1) as pool:
        print("result:", pool.apply_async(work, (0,), timeout=30).get())
        try:
            pool.apply_async(work, (600,), timeout=1).get()
        except TimeoutError:
            print("took too long")
        result = pool.apply_async(work, (600,))
        result.cancel()
        try:
            result.get()
        except CancelledError:
            print("cancelled")
        try:
            pool.apply_async(work, (13,)).get()
        except WorkerLostError:
            print("lost")


if __name__ == "__main__":
    main()
