"""A process is killed while it holds a lock: ``python broken_lock.py [fork|spawn|forkserver]``."""

import os
import signal
import sys

import procession


def take_and_die(lock):
    """Die as by the out-of-memory killer, in the midst of the work."""
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    lock = procession.Lock()
    process = procession.Process(target=take_and_die, args=(lock,), name="unlucky")
    process.start()
    process.join()
    try:
        lock.acquire()
    except procession.BrokenLockError as error:
        print("broken:", str(error).split(" (pid")[0])
    lock.reset()  # here the program would first make good what the lock protects
    with lock:
        print("the lock can be used again")
