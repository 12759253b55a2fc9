"""Results that are to come: ``python results.py [fork|spawn|forkserver]``."""

import sys
import time

import procession


def double(number):
    """A task that ends well."""
    return 2 * number


def fail(number):
    """A task that does not."""
    raise ValueError(f"no luck with {number}")


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    with procession.Pool(2) as pool:
        good = pool.apply_async(double, (21,))
        bad = pool.apply_async(fail, (13,))
        slow = pool.apply_async(time.sleep, (600,))
        print("result:", good.get())
        try:
            bad.get()
        except ValueError as error:
            print("error:", error)
        try:
            slow.get(timeout=0.1)  # gives up waiting; the call itself goes on
        except procession.TimeoutError:
            print("not ready:", not slow.ready())
        print("cancelled:", slow.cancel())  # ends the call
        print("the pool goes on:", pool.apply(double, (1,)))
