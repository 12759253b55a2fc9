"""The thread that serves one connection of a manager, or the refusal if there can be none.

Idea: a limit of threads or of memory concerns one client, not the manager. That client's first
request is answered with an error, which says what to do; the others go on.

Invariant: a connection for which `start` has returned is served, or was refused and is closed.

Layer: pools and managers; imports ipc.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .._base import log, poll
from .._base.deadline import Deadline
from ._connection import MessageConnection
from ._protocol import TRACEBACK

_FIRST_REQUEST_S = 1.0  # a client sends it at once


def start(serve: Callable[[Any], None], conn: Any) -> None:
    """Call ``serve(conn)`` in a thread of its own; refuse the client if there is none."""
    thread = threading.Thread(target=serve, args=(conn,), name="manager-call", daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        log.sub_warning("manager cannot start a thread for a client: %s", error)
        _refuse(MessageConnection(conn), error)


def _refuse(conn: MessageConnection, error: Exception) -> None:
    """Answer the first request of a client with an error, and close the connection."""
    said = (
        f"the manager could not start a thread for this client: {error}. It goes on with those "
        "that it has; when one of them ends, or the limit of threads is raised (ulimit -u, "
        "pids.max), it serves others again"
    )
    try:
        # Without the request, the client would meet a closed connection, and no answer.
        if poll.wait_readable(conn.fileno(), Deadline(_FIRST_REQUEST_S)):
            conn.recv_encoded()
        conn.send((TRACEBACK, said))
    except (EOFError, OSError) as gone:
        log.debug("manager's client is gone: %r", gone)
    finally:
        conn.close()
