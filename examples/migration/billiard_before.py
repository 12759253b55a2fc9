"""A program for billiard."""

import os
import signal
import time

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from billiard.pool import Pool


def work(seconds):
    """Take that long."""
    time.sleep(seconds)
    return seconds


def die():
    """End as by the out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def told(result):
    """Return what became of a call."""
    try:
        return result.get()
    except ExceptionWithTraceback as error:
        return {TimeLimitExceeded: "took too long", WorkerLostError: "lost"}[type(error.exc)]


def main():
    """Limit the time of a call, and lose one."""
    pool = Pool(1, enable_timeouts=True, lost_worker_timeout=1)
    print("result:", told(pool.apply_async(work, (0,))))
    print(told(pool.apply_async(work, (600,), timeout=1)))
    print(told(pool.apply_async(die)))
    pool.terminate()
    pool.join()


if __name__ == "__main__":
    main()
