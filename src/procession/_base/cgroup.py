"""The control groups of this process: the directories with their files.

Idea: the kernel says where they are. ``/proc/self/cgroup`` has the path of the process's group in
each hierarchy, ``/proc/self/mountinfo`` where hierarchies are mounted. A mount shows its hierarchy
from some group on, its *root*. Both paths begin at the group where the namespace does, so a path
may also begin with ``..``, for what lies outside of the namespace.

There are two versions. In version 1 each controller (``cpu``, ``memory``) may have a hierarchy of
its own; in version 2 all controllers share one. A system may mount both.

Invariant: this module only reads. What is missing, unreadable or not understood is left out: no
caller fails because of it.

Layer: base; imports the standard library only.

Source: cgroups(7), cgroup_namespaces(7), proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    _Group = tuple[str, list[str]]  # version; names of the path
    _Mount = tuple[str, list[str], str]  # version; names of the root's path; mount point

V1, V2 = "cgroup", "cgroup2"  # the kernel's names of these kinds of file systems

_OUTSIDE = ".."
_ROOT, _POINT = 3, 4  # which fields of a line of mountinfo


def directories(controller: str, root: str = "/") -> Iterator[tuple[str, str]]:
    """Yield the process's groups that may have *controller*, each with those around it.

    Args:
        controller: its name, such as ``cpu``.
        root: of the file system, for tests.
    Returns:
        The version, `V1` or `V2`, and the directory. Of one mount the nearest group comes first.
    """
    own = groups(read(os.path.join(root, "proc/self/cgroup")), controller)
    if not own:
        return
    for version, top, point in mounts(read(os.path.join(root, "proc/self/mountinfo")), controller):
        for group_version, group in own:
            if group_version == version:
                for directory in upwards(point, top, group):
                    yield version, os.path.join(root, directory.lstrip("/"))


def read(path: str) -> str:
    """Return the text of a file; nothing if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def groups(text: str, controller: str) -> list[_Group]:
    """Return what ``/proc/self/cgroup`` says of the hierarchies that may have *controller*."""
    found = []
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found.append((V2, _names(path)))
        elif controller in controllers.split(","):
            found.append((V1, _names(path)))
    return found


def mounts(text: str, controller: str) -> list[_Mount]:
    """Return what ``/proc/self/mountinfo`` says of the hierarchies that may have *controller*."""
    found = []
    for line in text.splitlines():
        mount, _, system = line.partition(" - ")
        fields, (version, _, options) = mount.split(" "), system.partition(" ")
        if len(fields) < _POINT + 1:
            continue
        controllers = options.rpartition(" ")[2].split(",")
        if version == V2 or (version == V1 and controller in controllers):
            top, point = _unescaped(fields[_ROOT]), _unescaped(fields[_POINT])
            found.append((version, _names(top), point))
    return found


def upwards(point: str, top: list[str], group: list[str]) -> Iterator[str]:
    """Yield the directory of *group* and those of the groups around it, up to the mount point.

    Args:
        point: the directory where *top* is mounted.
        top, group: names of two paths that begin at the same group.
    """
    if group[: len(top)] == top and _OUTSIDE not in group[len(top) :]:
        names = group[len(top) :]
    elif _is_around(top, group):
        names = []  # the names of the groups in between cannot be known here
    else:
        return  # the mount shows other groups
    for length in range(len(names), -1, -1):
        yield os.path.join(point, *names[:length])


def _is_around(top: list[str], group: list[str]) -> bool:
    """Whether *top*, a path of ``..`` alone, leads further out than *group* does."""
    return set(top) == {_OUTSIDE} and group[: len(top)].count(_OUTSIDE) < len(top)


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _unescaped(field: str) -> str:
    """Undo the kernel's escapes: it writes four characters as a backslash and octal digits."""
    for char in " \t\n\\":  # the backslash last: before, it would make new escapes
        field = field.replace(f"\\{ord(char):03o}", char)
    return field
