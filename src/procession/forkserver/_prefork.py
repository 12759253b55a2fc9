"""The prefork child: a child of the fork server that is forked before it is asked for.

Idea: most of what a start costs is the fork, and the pages that the child then has to copy because
it writes to them. So the server, once it has made a child and has nothing else to do, forks the
next one. That goes through the motions of a start and waits for the request that says what process
it shall be. (Android's zygote does so, with its pool of unspecialized app processes.)

Invariant: a prefork child has run no code of the program. It ends with the server, which alone has
the other end of its socket. There is one at most, and none before the first request, nor after one
that died: the next request is then served by a fork, as if there had never been one. A prefork
child that is killed after a request was sent to it was that request's child.

Layer: process; imports base, ipc and the core.
"""

from __future__ import annotations

import io
import os
import pickle
import socket

# The module `signal` is not cheap, and each child would import it.
from _signal import SIGKILL  # type: ignore[import-not-found]
from functools import cache

from .. import _core, spawn
from .._base import hooks, launch_state
from .._launch import parent_death
from ._protocol import ReceivedRequest, forward, receive_forwarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class PreforkChild:
    """The server's object for a prefork child that has not been reaped."""

    def __init__(self, be_child: Callable[[Callable[[], ReceivedRequest]], NoReturn]):
        """Fork it; in the child call *be_child* with a function that waits for the request.

        Raises:
            OSError: no process, descriptor or memory is left.
        """
        data = _rehearsal_data()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._sock = ours
            try:
                self.pid = parent_death.fork(())
            except OSError:
                ours.close()
                raise
            if self.pid == 0:
                ours.close()
                be_child(lambda: _await_request(its, data))

    def assign(self, received: ReceivedRequest) -> bool:
        """Make it the child that is asked for; if it cannot be, end it and return False."""
        links: list[int] = []
        try:
            # Opened by the server, which has used /proc before: the first use takes long.
            links.extend(map(_core.open_death_link, received.death_pipes))
            forward(self._sock, received, links)
        except (OSError, ValueError):  # it was killed; there is no /proc; too many descriptors
            self.kill()
            return False
        finally:
            for link in links:
                os.close(link)
        self._sock.close()
        return True

    def kill(self) -> None:
        """End it and reap it; it has run no code that would have to clean up."""
        self._sock.close()
        os.kill(self.pid, SIGKILL)
        os.waitpid(self.pid, 0)
        _core.reclaim_process(self.pid)

    def on_exit(self) -> None:
        """Close the socket of one that has ended, which the caller reaps."""
        self._sock.close()


# ------------------------------------------------------------------------------------ in the child


@cache
def _rehearsal_data() -> bytes:
    """Return start data of this process, and of a child that does nothing."""
    preparation = spawn.interpreter_state() | {"start_method": "forkserver"}
    context: Any = hooks.default_context
    # Any object will do as the popen: no part of such a child asks it for descriptors.
    with launch_state.spawning(_rehearsal_data):
        child = pickle.dumps(context.get_context("forkserver").Process())
    return pickle.dumps(preparation) + child


def _rehearse(data: bytes) -> None:
    """Do what each start does and what leaves no trace but copied pages."""
    file = io.BytesIO(data)
    spawn.prepare(pickle.load(file))
    pickle.load(file)


def _await_request(sock: socket.socket, data: bytes) -> ReceivedRequest:
    """Rehearse a start, then wait for the request."""
    _rehearse(data)
    arrived = receive_forwarded(sock)
    if arrived is None:
        os._exit(0)
    received, links = arrived
    sock.close()
    for link in links:
        _core.die_with(link)
    return received
