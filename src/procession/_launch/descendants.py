"""The descendants of a process, and signals for them.

Idea: the kernel knows each process's parent. A process that was found as a descendant is held by a
pidfd before it is looked at again, so that the signal goes to the process that was found, though
process ids are reused.

Invariant: parents are signalled before their children, and the search is repeated until it finds
no new process: a descendant that was started meanwhile is found in the next round.

Layer: process; imports the standard library only.
"""

from __future__ import annotations

import os
import signal


def signal_descendants(root: int, number: int) -> None:
    """Send signal *number* to every descendant of process *root*, but not to *root*.

    Processes that a fork server started for them are children of the server and are not found here.
    They end with their parents if they die with them, as daemons do.
    """
    reached: set[int] = set()
    while True:
        found = [pid for pid in descendants(root) if pid not in reached]
        if not found:
            return
        for pid in found:
            _signal(pid, number)
        reached.update(found)


def descendants(root: int) -> list[int]:
    """Return the process ids of all descendants of *root*, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (parent := parent_pid(int(entry))) is not None:
            children.setdefault(parent, []).append(int(entry))
    found = [root]
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found[1:]


def parent_pid(pid: int) -> int | None:
    """Return the process id of the parent of process *pid*; None if *pid* has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # After the command's name, which is in brackets and may contain anything.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in b"ZX" else int(parent)


def _signal(pid: int, number: int) -> None:
    """Send the signal unless the process has ended since it was found."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if parent_pid(pid) is not None:
            signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)
