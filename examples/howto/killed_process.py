"""What is known of a process that gave no result: ``python killed_process.py [method]``."""

import os
import signal
import sys

import procession


def crash():
    """End as by a fault in C code."""
    os.kill(os.getpid(), signal.SIGSEGV)


def main():
    """Ask for the result of a process that crashed."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    process = procession.Process(target=crash, name="unlucky")
    process.start()
    try:
        process.result(timeout=30)
    except procession.ProcessLostError as error:
        print("exit code:", error.exitcode)
        print("last words:", error.last_words.splitlines()[0])


if __name__ == "__main__":
    main()
