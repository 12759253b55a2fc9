"""What the children of the process tests do; they import it by name, whatever the start method."""

import os
import sys
import threading
import time
from typing import Any

import procession


class Told(procession.Process):
    """A process that is a subclass with a state of its own."""

    def __init__(self, connection: Any, word: str) -> None:
        super().__init__()
        self.connection = connection
        self.word = word

    def run(self) -> None:
        """Tell what came along."""
        self.connection.send((self.word, self.name, self.daemon))


class NeedsTwo(Exception):
    """An exception that cannot be made from its pickle."""

    def __init__(self, first: object, second: object) -> None:
        super().__init__("needs two")


def sleep_for_ever() -> None:
    """Wait for a signal."""
    while True:
        time.sleep(3600)


def leave(code: object) -> None:
    """End with sys.exit."""
    sys.exit(code)  # type: ignore[arg-type]


def fail(message: str) -> None:
    """Raise."""
    raise ValueError(message)


def fail_with_two() -> None:
    """Raise what does not travel."""
    raise NeedsTwo(1, 2)


def give(value: object) -> object:
    """Return the argument."""
    return value


def give_lock() -> object:
    """Return what cannot be pickled."""
    return {"lock": [threading.Lock()]}


def die(number: int) -> None:
    """End by a signal."""
    os.kill(os.getpid(), number)
    sleep_for_ever()


def facts(connection: Any) -> None:
    """Send what a child knows of itself and of its parent."""
    this, parent = procession.current_process(), procession.parent_process()
    assert parent is not None
    connection.send(
        {
            "pid": os.getpid(),
            "own pid": this.pid,
            "name": this.name,
            "daemon": this.daemon,
            "authkey": bytes(this.authkey),
            "alive": this.is_alive(),
            "parent": (parent.name, parent.pid, parent.is_alive()),
            "children": procession.active_children(),
            "method": procession.get_start_method(),
            "stdin": sys.stdin.read(),
        }
    )


def start_child(connection: Any) -> None:
    """Start a child of the child, and send its name and its exit code."""
    child = procession.Process(target=leave, args=(4,))
    child.start()
    child.join()
    connection.send((child.name, child.exitcode))


def descriptors() -> set[str]:
    """Return what the descriptors of this process from 3 on are, less the listing's own."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            if int(fd) > 2:
                found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except FileNotFoundError:
            continue
    return found


def watch_parent(connection: Any) -> None:
    """Wait for the parent's end, then say so."""
    connection.send("waiting")
    parent = procession.parent_process()
    assert parent is not None
    parent.join()
    connection.send(parent.is_alive())


def start_method() -> str | None:
    """Return the start method in force."""
    return procession.get_start_method()
