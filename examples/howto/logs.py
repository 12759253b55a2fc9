"""Children's records go to this process's handlers: ``python logs.py [fork|spawn|forkserver]``."""

import logging
import sys

import procession


def work(number):
    """A task that logs."""
    logging.getLogger("work").info("task %d", number)


def main():
    """Run a pool whose records are written by the handler of this process."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s (%(processName)s)"
    )
    with procession.forward_logs(), procession.Pool(1, name="crew") as pool:
        pool.map(work, range(3))


if __name__ == "__main__":
    main()
