"""Calls that may take only so long: ``python timeouts.py [fork|spawn|forkserver]``."""

import queue
import sys
import time

import procession


def work(seconds):
    """Take that long."""
    time.sleep(seconds)
    return f"slept {seconds} s"


def main():
    """Limit calls, waiting and processes."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    with procession.Pool(2) as pool:
        for seconds in (0, 600):
            try:
                print(pool.apply(work, (seconds,), timeout=1.5))
            except procession.TimeoutError:
                print(f"a call of {seconds} s was ended, and its worker replaced")

    try:
        procession.Queue().get(timeout=0.1)
    except queue.Empty:
        print("nothing came")

    process = procession.Process(target=work, args=(600,))
    process.start()
    process.join(timeout=0.1)
    if process.exitcode is None:
        process.terminate(tree=True)  # and whatever it has started
        process.join()
    print("exit code", process.exitcode)


if __name__ == "__main__":
    main()
