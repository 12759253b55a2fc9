"""The key by which the processes of one family know each other.

Idea: a kind of bytes that refuses to be pickled, so that a key never travels over a network by
accident, as part of some object; only a child that is being started gets it.

Invariant: pickled only while a launch is under way in this thread.

Layer: process; imports base.
"""

from __future__ import annotations

from .._base import launch_state


class AuthenticationString(bytes):
    """A key; not pickled but for a child, lest it travel over a network by accident."""

    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        if launch_state.spawning_popen() is None:
            raise TypeError(
                "Pickling an AuthenticationString object is disallowed for security reasons"
            )
        return AuthenticationString, (bytes(self),)


AuthenticationString.__module__ = "procession.process"
