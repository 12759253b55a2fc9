"""What a process has and could leave behind: children, threads, descriptors, shared memory files.

Idea: an `Inventory` before a test and one after; what is in the second only has leaked. Orphans
come to the test process as well, because it declares itself their "subreaper" (prctl(2)): a
grandchild that outlives its parent cannot hide below process 1.

Invariant: descriptors are counted by kind, not by number: a fork server that a test killed and
restarted has other numbers, but no more of them.
"""

import ctypes
import os
import re
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let orphaned descendants become children of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children() -> set[int]:
    """Return the pids of all children of this process, zombies included.

    The kernel's list may lack some if a child, or a thread with children, ends while it is read; so
    it is read until two readings agree.
    """
    found = _read_children()
    while (again := _read_children()) != found:
        found = again
    return found


def _read_children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found |= {int(pid) for pid in (task / "children").read_text().split()}
        except (FileNotFoundError, ProcessLookupError):
            continue  # that thread has ended; its children are listed with another
    return found


def describe(pid: int) -> str:
    """Return state and command line of a process, for a report."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return f"{pid} (gone)"
    return f"{pid} ({state}: {command.strip() or 'no command line'})"


def reap_orphans(known: set[int]) -> None:
    """Collect ended children that are not in *known*: adopted ones, which nobody awaits."""
    for pid in children() - known:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue  # collected meanwhile by the Process object it belongs to


def residents() -> set[int]:
    """Return the pids of the family's own helpers, which live as long as the family."""
    module = sys.modules.get("procession.forkserver")
    pid = getattr(getattr(module, "_forkserver", None), "_forkserver_pid", None)
    module = sys.modules.get("procession.resource_tracker")
    tracker = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    return {each for each in (pid, tracker) if each is not None}


def descriptors() -> Counter[str]:
    """Return how many open descriptors of each kind this process has."""
    kinds: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # that of the listing itself
        kinds[re.sub(r":\[\d+\]$", "", target)] += 1
    return kinds


@dataclass
class Inventory:
    """All that is counted, at one moment."""

    children: set[int]
    threads: set[threading.Thread]
    descriptors: Counter[str]
    shared_memory: set[str]

    @classmethod
    def take(cls) -> "Inventory":
        """Count now."""
        return cls(
            children=children() - residents(),
            threads=set(threading.enumerate()),
            descriptors=descriptors(),
            shared_memory=set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set(),
        )

    def more_than(self, before: "Inventory") -> list[str]:
        """Return one line for each thing that is here and was not there *before*."""
        lines = [f"process {describe(pid)}" for pid in sorted(self.children - before.children)]
        lines += [f"thread {thread.name}" for thread in self.threads - before.threads]
        extra = self.descriptors - before.descriptors
        lines += [f"{count} open {kind}" for kind, count in sorted(extra.items())]
        new_files = sorted(self.shared_memory - before.shared_memory)
        return lines + [f"/dev/shm/{name}" for name in new_files]
