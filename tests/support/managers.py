"""Managers for tests: one that is shut down after use, and children that use its proxies."""

from typing import Any


class running:
    """Shuts a started manager down at the end of a ``with``, and closes its process."""

    def __init__(self, manager: Any):
        self._manager = manager

    def __enter__(self) -> Any:
        return self._manager

    def __exit__(self, *_: object) -> None:
        process = self._manager._process
        self._manager.shutdown()
        process.close()


def run_child(ctx: Any, target: Any, *args: Any) -> int:
    """Run *target* in a child process and return the exit code."""
    process = ctx.Process(target=target, args=args)
    process.start()
    process.join(30)
    exitcode: int = process.exitcode
    process.close()
    return exitcode


def resident_kilobytes(pid: int) -> int:
    """Return the memory of a process that is resident."""
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
