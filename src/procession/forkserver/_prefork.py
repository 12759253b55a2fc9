"""A child of the fork server that is there before it is asked for.

Idea: most of what a start costs is the fork, and the pages that the child then has to copy because
it writes to them. So the server, once it has made a child and has nothing else to do, forks the
next one, which rehearses its start and waits to be told who it is. (Android's zygote does so, with
its pool of unspecialized app processes.)

Invariant: a spare has run no code of the program. It ends with the server, which alone has the
other end of its socket. There is one at most, and none before the first request, nor
after one that died: the next request then makes its child by a fork, as if there had never been
one. A spare that is killed after a request was sent to it was that request's child.

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
from ._protocol import Request, forward, receive_forwarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class Spare:
    """The server's hold on a spare, which has not been reaped."""

    def __init__(self, be_child: Callable[[Callable[[], Request]], NoReturn]):
        """Fork it; in the child call *be_child* with what waits for the request.

        Raises:
            OSError: no process, descriptor or memory is left.
        """
        script = _script()
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
                be_child(lambda: _request(its, script))

    def hand_over(self, request: Request) -> bool:
        """Make the spare the child that is asked for; False if it cannot be, and is gone."""
        bonds: list[int] = []
        try:
            # By the server, which has looked into /proc before: the first look takes long.
            bonds.extend(map(_core.open_bond, request.ends))
            forward(self._sock, request, bonds)
        except (OSError, ValueError):  # it was killed; there is no /proc; too many descriptors
            self.dismiss()
            return False
        finally:
            for bond in bonds:
                os.close(bond)
        self._sock.close()
        return True

    def dismiss(self) -> None:
        """End it; it has run nothing that would mind."""
        self._sock.close()
        os.kill(self.pid, SIGKILL)
        os.waitpid(self.pid, 0)
        _core.bury(self.pid)

    def forget(self) -> None:
        """It has ended and is being reaped."""
        self._sock.close()


@cache
def _script() -> bytes:
    """Return pickles for `_rehearse`: of this process, and of a child that does nothing."""
    preparation = spawn.likeness() | {"start_method": "forkserver"}
    context: Any = hooks.default_context
    with launch_state.spawning(_script):  # no popen is needed where nothing refers to descriptors
        child = pickle.dumps(context.get_context("forkserver").Process())
    return pickle.dumps(preparation) + child


def _rehearse(script: bytes) -> None:
    """Do what each start does and what leaves no trace but copied pages."""
    file = io.BytesIO(script)
    spawn.prepare(pickle.load(file))
    pickle.load(file)


def _request(sock: socket.socket, script: bytes) -> Request:
    """In the spare: wait until it is told what child it is."""
    _rehearse(script)
    told = receive_forwarded(sock)
    if told is None:
        os._exit(0)
    request, bonds = told
    sock.close()
    for bond in bonds:
        _core.tie(bond)
    return request
