"""An event, a semaphore and a barrier: ``python meeting.py [fork|spawn|forkserver]``."""

import sys

import procession


def take_part(start, seats, finish, lines):
    """Wait for the start, work with at most one other at a time, wait for all at the end."""
    start.wait()
    with seats:
        lines.put("worked")
    finish.wait()
    lines.put("went home")


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    start, seats = procession.Event(), procession.Semaphore(2)
    finish, lines = procession.Barrier(3), procession.Queue()
    arguments = (start, seats, finish, lines)
    processes = [procession.Process(target=take_part, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    print("nobody works yet:", lines.empty())
    start.set()
    for _ in range(6):
        print(lines.get())
    for process in processes:
        process.join()
