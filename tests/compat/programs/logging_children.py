"""multiprocessing-logging: children's records in the handlers of the parent."""

import logging
import multiprocessing
import sys

import multiprocessing_logging


def work(number):
    logging.getLogger("work").info("task %d", number)
    return number


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")  # the package is for that method
    handler = logging.StreamHandler(sys.stdout)
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", handlers=[handler])
    multiprocessing_logging.install_mp_handler()
    with multiprocessing.Pool(1) as pool:
        print(pool.map(work, range(5)))
    multiprocessing_logging.uninstall_mp_handler()
