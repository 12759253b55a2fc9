"""A worker is killed in the midst of a task: ``python killed_workers.py [method]``."""

import os
import signal
import sys

import procession


def work(number):
    """Task 3 dies, as by the out-of-memory killer."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10


def die_once(attempts):
    """Die at the first attempt only."""
    if attempts.add(1) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done at the second attempt"


def main():
    """Lose a task, and repeat another."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    with procession.Pool(2) as pool:
        results = [pool.apply_async(work, (number,)) for number in range(6)]
        for number, result in enumerate(results):
            try:
                print(number, result.get())
            except procession.WorkerLostError as error:
                print(number, "lost; SIGKILL is named:", "SIGKILL" in str(error))
        attempts = procession.Value("i", 0)
        print(pool.apply(die_once, (attempts,), retries=1))


if __name__ == "__main__":
    main()
