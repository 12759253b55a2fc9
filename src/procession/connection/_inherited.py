"""Connections that a forked child has inherited and cannot reach.

Idea: a fork copies every open descriptor, so a child keeps ends of pipes open that are none of its
business, and whoever reads at their other ends never sees the end of the stream. But a child of
`Process` runs its target and then exits: the frames of its parent, further down its stack, never
run again. A connection that only those frames refer to, directly or by way of lists, tuples,
objects, is therefore out of the child's reach, and is closed there.

Who refers to an object is found as the garbage collector finds it: of each object that can be
reached from the parent's frames, the references that are known (from those frames and from one
another) are counted; if its reference count says that there are more, something else refers to
it, and it stays, and with it all that it refers to.

Invariant: a reference that is not understood counts as one of the child's: in doubt the descriptor
stays open, as in the standard library.

Layer: ipc; imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    MethodType,
    ModuleType,
)
from weakref import WeakSet

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ._stream import Connection

# Every connection of this process that lives.
everyone: WeakSet[Connection] = WeakSet()

# From 3.14 on a frame may hold its variables without counting that.
_FRAMES_COUNT = sys.version_info < (3, 14)
# Until 3.12 a frame keeps the dictionary that shows its variables.
_FRAMES_KEEP_DICTS = sys.version_info < (3, 13)

# A walk ends after so many objects: a few milliseconds.
_MOST_OBJECTS = 5000

# Their references are not looked at: they are of the whole program.
_OPAQUE = (ModuleType, type, FunctionType, BuiltinFunctionType, CodeType, FrameType)

# What a loop or a `with` keeps where nobody can look, on the stack of its frame's computations; and
# the cells of variables that functions within the frame's share.
_ON_STACKS = (
    *(type(iter([])), type(iter(())), type(iter({})), type(iter(set())), type(iter(range(0)))),
    *(type(iter({}.values())), type(iter({}.items())), zip, enumerate, map, filter, reversed),
    *(MethodType, CellType),
)


def close_unreachable(frame: FrameType) -> None:
    """In a forked child: close the connections that only callers of *frame* refer to."""
    if not _FRAMES_COUNT or not len(everyone):
        return
    graph = _Graph()
    if not graph.add_frames(frame.f_back):
        return
    graph.walk(1)
    graph.walk(graph.add_stacks())
    for number in graph.out_of_reach():
        connection: Connection = graph.objects[number]
        if connection in everyone:
            with contextlib.suppress(OSError):  # the program has closed its descriptor itself
                connection.close()


class _Graph:
    """Objects, the references among them, and how many references to each are known."""

    def __init__(self) -> None:
        self.objects: list[Any] = [object()]  # the first shows what this list itself adds
        self._number: dict[int, int] = {}
        self._known = [0]
        self._edges: list[list[int] | None] = [[]]

    def _add(self, obj: Any, references: int) -> int:
        """Enter *obj*, and that so many references to it are known."""
        number = self._number.setdefault(id(obj), len(self.objects))
        if number == len(self.objects):
            self.objects.append(obj)
            self._known.append(0)
            self._edges.append(None)
        self._known[number] += references
        return number

    def add_frames(self, frame: FrameType | None) -> bool:
        """Enter the variables of *frame* and its callers; False if something is not understood."""
        while frame is not None:
            if frame.f_code.co_flags & 1 and not self._add_variables(frame):  # not of a module
                return False
            frame = frame.f_back
        return True

    def _add_variables(self, frame: FrameType) -> bool:
        code = frame.f_code
        in_cells = {*code.co_cellvars, *code.co_freevars}
        variables = frame.f_locals
        own = {*code.co_varnames} - in_cells
        # Besides us and the argument, the frame alone should have the dictionary.
        if _FRAMES_KEEP_DICTS and sys.getrefcount(variables) != _references_of_a_frames_dict():
            return False
        for name, value in variables.items():
            self._add(value, (name in own) + _FRAMES_KEEP_DICTS)
        return True

    def walk(self, number: int) -> None:
        """Follow the references of all that was entered from *number* on, nearest first."""
        end = len(self.objects) + _MOST_OBJECTS
        while number < min(len(self.objects), end):
            if self._edges[number] is None:
                self._follow(number)
            number += 1

    def _follow(self, number: int) -> None:
        obj = self.objects[number]
        if isinstance(obj, _OPAQUE) or obj is self.objects or not gc.is_tracked(obj):
            self._edges[number] = []
            return
        self._edges[number] = [self._add(target, 1) for target in gc.get_referents(obj)]

    def add_stacks(self) -> int:
        """Enter what loops and `with` statements hold of the objects here; the first one's number.

        That is young, as a rule: older ones are not looked for. One that any object refers to is
        not on a stack, or not only.
        """
        first = len(self.objects)
        found = [holder for holder in _young(_ON_STACKS) if self._leads_here(holder, 3)]
        if not found:
            return first
        ours = id(found)
        held = {
            id(target)
            for referrer in gc.get_referrers(*found)
            if id(referrer) != ours and not isinstance(referrer, FrameType)
            for target in gc.get_referents(referrer)
        }
        for holder in found:
            if id(holder) not in held:
                self._add(holder, 1)
        return first

    def _leads_here(self, holder: Any, depth: int) -> bool:
        return any(
            id(target) in self._number
            or (
                depth
                and isinstance(target, (*_ON_STACKS, tuple))
                and self._leads_here(target, depth - 1)
            )
            for target in gc.get_referents(holder)
            if not isinstance(target, _OPAQUE)
        )

    def out_of_reach(self) -> Iterator[int]:
        """The numbers of the objects to which nothing refers that the child could have."""
        of_the_list = sys.getrefcount(self.objects[0])
        reached = [
            number
            for number, known in enumerate(self._known)
            if sys.getrefcount(self.objects[number]) > known + of_the_list
        ]
        alive = set(reached)
        while reached:
            for target in self._edges[reached.pop()] or ():
                if target not in alive:
                    alive.add(target)
                    reached.append(target)
        return (number for number in range(1, len(self.objects)) if number not in alive)


def _young(types: tuple[type, ...]) -> Iterable[Any]:
    return [
        obj for generation in (0, 1) for obj in gc.get_objects(generation) if type(obj) in types
    ]


def _references_of_a_frames_dict() -> int:
    """What `sys.getrefcount` says of the variables of a frame, held by one more variable."""
    variables = sys._getframe().f_locals
    return sys.getrefcount(variables)
