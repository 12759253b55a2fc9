"""Children's records go to the parent's handlers: ``python logs.py [fork|spawn|forkserver]``."""

import logging
import logging.handlers
import sys

import procession


def send_records_to(records):
    """In a child: each record goes to the queue, at once."""
    root = logging.getLogger()
    root.handlers = [logging.handlers.QueueHandler(records)]
    root.setLevel(logging.INFO)


def work(number):
    """A task that logs."""
    logging.getLogger("work").info("task %d", number)


def main():
    """Run a pool whose records are written by one handler of this process."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s (%(processName)s)"))
    records = procession.Queue()
    listener = logging.handlers.QueueListener(records, handler)
    listener.start()
    with procession.Pool(1, send_records_to, (records,), name="crew") as pool:
        pool.map(work, range(3))
    listener.stop()


if __name__ == "__main__":
    main()
