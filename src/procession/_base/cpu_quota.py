"""How many processors this process may use: the number of workers of a pool that is given none.

Idea: three things have a say. What the interpreter was told (``-X cpu_count``, from 3.13 on) counts
alone. Else it is the processors that the process may run on (affinity), or fewer, if its control
group, or one around it, may use less of their time (a quota): the tightest counts, rounded up. The
worker of a pool has its share of these, so that a pool inside of a worker does not multiply them.

The groups are where the kernel says: ``/proc/self/cgroup`` has the path of the process's group in
each hierarchy, ``/proc/self/mountinfo`` where hierarchies are mounted. A mount shows its hierarchy
from some group on, its *root*, and both paths begin at the group where the namespace does; so a
path may also begin with ``..``, for what lies outside of it.

Invariant: it only looks. What is missing, empty, unreadable or not understood sets no limit; the
answer is never less than 1.

Layer: base.

Source: cgroups(7), cgroup_namespaces(7), proc_pid_mountinfo(5); ``cpu.max`` in the kernel's
admin-guide/cgroup-v2.rst, ``cpu.cfs_quota_us`` in scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import os
import sys

from . import runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    _Group = tuple[str, list[str]]  # a kind of hierarchy; the names of a path
    _Mount = tuple[str, list[str], str]  # a kind; of the root; where it is mounted

V1, V2 = "cgroup", "cgroup2"  # as the kernel calls these kinds of file systems

_PERIOD_US = 100_000  # of a quota that comes without one: the kernel's default
_OUTSIDE = ".."
_ROOT, _POINT = 3, 4  # which fields of a line of mountinfo


def share() -> int:
    """Return how many processors this process may use beside those that it shares them with."""
    return max(1, usable() // runtime.cpu_sharers)


def usable() -> int:
    """Return how many processors this process may use, 1 or more."""
    told = _told()
    if told:
        return told
    count = len(os.sched_getaffinity(0))
    if count > 1:
        count = min(count, quota() or count)
    return count


def _told() -> int | None:
    """The number that the interpreter was told, if it was."""
    asked = getattr(sys, "_get_cpu_count_config", None)  # there is no public name for "was told"
    number: int = asked() if asked is not None else -1
    return number if number > 0 else None


def quota(root: str = "/") -> int | None:
    """Return how many processors' time the control groups of this process allow, rounded up.

    Args:
        root: of the file system.
    Returns:
        1 or more; None: there is no limit.
    """
    allowed = [
        number
        for kind, directory in _directories(root)
        if (number := _ALLOWED[kind](os.path.join(root, directory.lstrip("/")))) is not None
    ]
    return min(allowed, default=None)


def _directories(root: str) -> Iterator[tuple[str, str]]:
    """The process's groups, each with those around it as far as they can be seen."""
    own = groups(_read(os.path.join(root, "proc/self/cgroup")))
    if not own:
        return
    for kind, top, point in mounts(_read(os.path.join(root, "proc/self/mountinfo"))):
        for group_kind, group in own:
            if group_kind == kind:
                yield from ((kind, directory) for directory in upwards(point, top, group))


def groups(text: str) -> list[_Group]:
    """Read ``/proc/self/cgroup``: the groups of the hierarchies that may limit processors."""
    found = []
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found.append((V2, _names(path)))
        elif "cpu" in controllers.split(","):
            found.append((V1, _names(path)))
    return found


def mounts(text: str) -> list[_Mount]:
    """Read ``/proc/self/mountinfo``: where hierarchies are mounted that may limit processors."""
    found = []
    for line in text.splitlines():
        place, _, system = line.partition(" - ")
        fields, (kind, _, options) = place.split(" "), system.partition(" ")
        if len(fields) < _POINT + 1:
            continue
        controllers = options.rpartition(" ")[2].split(",")
        if kind == V2 or (kind == V1 and "cpu" in controllers):
            top, point = _unescaped(fields[_ROOT]), _unescaped(fields[_POINT])
            found.append((kind, _names(top), point))
    return found


def upwards(point: str, top: list[str], group: list[str]) -> Iterator[str]:
    """Yield the directories of *group* and of those around it, up to where *top* is mounted.

    Args:
        point: where that is.
        top, group: names of paths that begin at the same group.
    """
    if group[: len(top)] == top and _OUTSIDE not in group[len(top) :]:
        names = group[len(top) :]
    elif _is_around(top, group):
        names = []  # the groups in between have names that cannot be known here
    else:
        return  # the mount shows others
    for length in range(len(names), -1, -1):
        yield os.path.join(point, *names[:length])


def _is_around(top: list[str], group: list[str]) -> bool:
    """Whether *top*, a path of ``..`` alone, leads further out than *group* does."""
    return set(top) == {_OUTSIDE} and group[: len(top)].count(_OUTSIDE) < len(top)


# ---------------------------------------------------------------------------- what a group allows


def _allowed_by_v2(directory: str) -> int | None:
    """``cpu.max``: quota and period, in microseconds; or ``max``, for no limit."""
    words = _read(os.path.join(directory, "cpu.max")).split()
    return processors(*words[:2]) if words else None


def _allowed_by_v1(directory: str) -> int | None:
    """``cpu.cfs_quota_us``, -1 for no limit, and ``cpu.cfs_period_us``."""
    quota_us = _read(os.path.join(directory, "cpu.cfs_quota_us"))
    if not quota_us or quota_us.startswith("-"):
        return None
    return processors(quota_us, _read(os.path.join(directory, "cpu.cfs_period_us")))


_ALLOWED = {V1: _allowed_by_v1, V2: _allowed_by_v2}


def processors(quota_us: str, period_us: str = "") -> int | None:
    """Return how many processors a quota is, rounded up; None: it is no limit, or no quota."""
    try:
        quota, period = int(quota_us), int(period_us or _PERIOD_US)
    except ValueError:
        return None  # "max", or nothing that we know
    return -(-quota // period) if quota > 0 and period > 0 else None


# ------------------------------------------------------------------------------------------- texts


def _read(path: str) -> str:
    """The file's text; nothing if it cannot be had."""
    try:
        with open(path, "rb", buffering=0) as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""  # as if it set no limit: a pool must not fail for it


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _unescaped(field: str) -> str:
    """A path as it is: the kernel writes four characters as a backslash and octal digits."""
    for char in " \t\n\\":  # the backslash last: what it begins is no escape then
        field = field.replace(f"\\{ord(char):03o}", char)
    return field
