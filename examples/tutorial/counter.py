"""A process that is a class: ``python counter.py [fork|spawn|forkserver]``."""

import sys

import procession


class Counter(procession.Process):
    """Counts in a process of its own and puts what it counted into a queue."""

    def __init__(self, limit, queue):
        super().__init__(name=f"counter to {limit}")
        self.limit = limit
        self.queue = queue

    def run(self):
        """Count."""
        self.queue.put((self.name, sum(1 for _ in range(self.limit))))


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    queue = procession.Queue()
    counters = [Counter(limit, queue) for limit in (10, 1000)]
    for counter in counters:
        counter.start()
    for _ in counters:
        print(*queue.get())
    for counter in counters:
        counter.join()
