"""The key by which the processes of one family authenticate each other.

Idea: a kind of bytes that is not pickled for a message, so that a key which is part of some object
never travels over a network by accident. Only a child that is being started gets it.

Invariant: pickled only while this thread makes a launch.

Layer: process; imports base.
"""

from __future__ import annotations

from .._base import export, launch_state


class AuthenticationString(bytes):
    """A key, which is pickled for a child that is being started, and for no other use."""

    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        if launch_state.spawning_popen() is None:
            raise TypeError(
                "Pickling an AuthenticationString object is disallowed for security reasons"
            )
        return AuthenticationString, (bytes(self),)


export("procession.process", AuthenticationString)
