"""The key by which the processes of one family authenticate each other.

Idea: a kind of bytes that is not pickled for a message, so that a key which is part of some object
never travels over a network by accident. Only a child that is being started gets it.

Invariant: pickled only while this thread makes a launch.

Layer: process; imports base.
"""

from __future__ import annotations

from .._base import export


class AuthenticationString(bytes):
    """A key, which is pickled for a child that is being started, and for no other use."""

    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        from .._base import launch_state  # a fork does not pickle, and needs no launch's state

        if launch_state.spawning_popen() is None:
            raise TypeError(
                "Pickling an AuthenticationString object is disallowed for security reasons"
            )
        return AuthenticationString, (bytes(self),)


export("procession.process", AuthenticationString)
