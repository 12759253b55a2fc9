"""Functions of higher layers that lower layers call.

Idea: the exit function, below the process package, must know the living children; a message may
have to share a descriptor by a server thread, which lies above the pickler. The lower layer calls
a slot of this module, and the context package, which knows all others, fills the slots.

Invariant: all slots are filled when ``import procession`` is over; none changes after that.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..context import DefaultContext
    from ..process import BaseProcess

# The context behind the package's own functions; it is also a name space of everything public.
default_context: DefaultContext

# Returns the children of this process that are alive.
active_children: Callable[[], list[BaseProcess]] = list

# Makes a picklable stand-in for a descriptor of this process.
share_fd: Callable[[int], Any]

# Puts this package in the place of the standard one, in this process.
install: Callable[[], None]
