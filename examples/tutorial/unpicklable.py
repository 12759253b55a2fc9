"""What cannot be sent is an error of ``put``: ``python unpicklable.py``."""

import threading

import procession


class Session:
    """Holds something that belongs to one process."""

    def __init__(self):
        self.user = "ada"
        self.guard = threading.Lock()


if __name__ == "__main__":
    queue = procession.Queue()
    try:
        queue.put({"session": Session()})
    except TypeError as error:
        print(error)
    print("items in the queue:", queue.qsize())
