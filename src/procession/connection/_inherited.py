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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._fd_connection import Connection

# Every connection of this process that lives.
everyone: WeakSet[Connection] = WeakSet()

# From 3.14 on a frame may hold its variables without counting that.
_FRAMES_COUNT = sys.version_info < (3, 14)
# Until 3.12 a frame keeps the dictionary that shows its variables.
_FRAMES_KEEP_DICTS = sys.version_info < (3, 13)

# The search for who holds what is in doubt looks at the whole heap, once for each link of a chain;
# the longest is that of `zip`: list, its iterator, the tuple of them, the zip object.
_LONGEST_CHAIN = 5
_MOST_DOUBTS = 64
# In a larger program that look would take longer than the start of a process may.
_LARGE_HEAP = 1_000_000  # allocated blocks

# A walk ends after so many objects: a few milliseconds. What is in a larger container stays.
_MOST_OBJECTS = 5000
_MOST_IN_ONE = 1000
_CONTAINERS = (list, tuple, dict, set, frozenset)

# Their references are not looked at: they are of the whole program.
_OPAQUE = (ModuleType, type, FunctionType, BuiltinFunctionType, CodeType, FrameType)

# What a loop or a `with` keeps where nobody can look, on the stack of its frame's computations; and
# the cells of variables that functions within the frame's share.
_ON_STACKS: tuple[type, ...] = (
    *(type(iter([])), type(iter(())), type(iter({})), type(iter(set())), type(iter(range(0)))),
    *(type(iter({}.values())), type(iter({}.items())), zip, enumerate, map, filter, reversed),
    *(CellType, tuple),
)


def close_unreachable(frame: FrameType, process_obj: object) -> None:
    """In the forked child of *process_obj*: close what only the callers of *frame* refer to."""
    if not _FRAMES_COUNT or not len(everyone):
        return
    graph = _Graph()
    if not graph.add_frames(frame.f_back):
        return
    graph.walk(1)
    if sys.getallocatedblocks() < _LARGE_HEAP and graph.is_in_doubt(process_obj):
        graph.add_stacks()
    for number in graph.out_of_reach():
        if graph.is_connection(number):
            connection: Connection = graph.objects[number]
            with contextlib.suppress(OSError):  # the program has closed its descriptor itself
                connection.close()


class _Graph:
    """Objects, the references among them, and how many references to each are known."""

    def __init__(self) -> None:
        self.objects: list[Any] = [object()]  # the first shows what this list itself adds
        self._number: dict[int, int] = {}
        self._known = [0]
        self._edges: list[list[int] | None] = [[]]
        self._doubtful: list[int] = []
        self._types = {type(each) for each in everyone}

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
        large = isinstance(obj, _CONTAINERS) and len(obj) > _MOST_IN_ONE
        if large or isinstance(obj, _OPAQUE) or obj is self.objects or not gc.is_tracked(obj):
            self._edges[number] = []
            return
        self._edges[number] = [self._add(target, 1) for target in gc.get_referents(obj)]

    # ------------------------------------------------------------------------------- what it says

    def is_connection(self, number: int) -> bool:
        """Whether that is an open connection."""
        obj = self.objects[number]
        return type(obj) in self._types and not obj.closed

    def _unexplained(self) -> list[int]:
        """The numbers of the objects to which more refers than is known."""
        of_the_list = sys.getrefcount(self.objects[0])
        return [
            number
            for number, known in enumerate(self._known)
            if sys.getrefcount(self.objects[number]) > known + of_the_list
        ]

    def _backwards(self) -> list[list[int] | None]:
        """From each object to those that refer to it."""
        back: list[list[int] | None] = [None] * len(self.objects)
        for number, targets in enumerate(self._edges):
            for target in targets or ():
                sources = back[target]
                if sources is None:
                    sources = back[target] = []
                sources.append(number)
        return back

    @staticmethod
    def _reached_from(numbers: Iterable[int], edges: list[list[int] | None]) -> set[int]:
        reached = set(numbers)
        left = list(reached)
        while left:
            for target in edges[left.pop()] or ():
                if target not in reached:
                    reached.add(target)
                    left.append(target)
        return reached

    def out_of_reach(self) -> list[int]:
        """The numbers of the objects to which nothing refers that the child could have."""
        alive = self._reached_from(self._unexplained(), self._edges)
        return [number for number in range(1, len(self.objects)) if number not in alive]

    def is_in_doubt(self, process_obj: object) -> bool:
        """Whether a connection is reached by what is not understood, and not by *process_obj*."""
        own = self._number.get(id(process_obj))
        given = self._reached_from([] if own is None else [own], self._edges)
        ends = [
            number
            for number in range(len(self.objects))
            if number not in given and self.is_connection(number)
        ]
        leading = self._reached_from(ends, self._backwards()) - given if ends else set()
        self._doubtful = [number for number in self._unexplained() if number in leading]
        return 0 < len(self._doubtful) <= _MOST_DOUBTS

    # --------------------------------------------------------------------------- stacks and cells

    def add_stacks(self) -> None:
        """Enter what loops and `with` statements hold of the objects in doubt.

        Such a holder, to which no object refers and one reference exists, is held by a frame that
        is being executed, and the child's own frames hold nothing of the kind.
        """
        front = self._doubtful
        holders: list[int] = []
        held: set[int] = set()
        for _ in range(_LONGEST_CHAIN):
            front = self._add_holders(front, held)
            holders += front
            if not front:
                break
        unexplained = {*self._unexplained()} & {*holders}
        for number in unexplained - held:
            if type(self.objects[number]) is not tuple:
                self._known[number] += 1

    def _add_holders(self, front: list[int], held: set[int]) -> list[int]:
        """Enter what refers to the objects numbered in *front*; those of them go into *held*."""
        targets = [self.objects[number] for number in front]
        wanted = {id(target): number for target, number in zip(targets, front, strict=True)}
        mark = object()  # by which the call's own arguments are known, where they are found as well
        added = []
        for referrer in gc.get_referrers(*targets, mark):
            if referrer is targets or referrer is self.objects or isinstance(referrer, FrameType):
                continue
            if type(referrer) is tuple and referrer[-1] is mark:
                continue
            held.update(wanted[i] for i in map(id, gc.get_referents(referrer)) if i in wanted)
            if _may_be_on_a_stack(referrer):
                number = self._add(referrer, 0)
                if self._edges[number] is None:
                    self._follow(number)
                    added.append(number)
        return added


def _may_be_on_a_stack(obj: Any) -> bool:
    # A `with` holds the bound __exit__; any other method may be a signal's handler.
    return isinstance(obj, _ON_STACKS) or (
        isinstance(obj, MethodType) and obj.__name__ == "__exit__"
    )


def _references_of_a_frames_dict() -> int:
    """What `sys.getrefcount` says of the variables of a frame, held by one more variable."""
    variables = sys._getframe().f_locals
    return sys.getrefcount(variables)
