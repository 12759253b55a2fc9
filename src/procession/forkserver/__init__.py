"""The fork server: a process with imported modules and nothing else, which forks on request.

Idea: this module is the public face of its package. `_client` is the clients' side, `_protocol` the
messages between clients and server, `_server` the side that forks, `_prefork` the child that the
server forks ahead of the next request.

Invariant: what is exported is what programs and libraries know of the standard module.

Layer: process.
"""

from ._client import (
    MAXFDS_TO_SEND,
    ForkServer,
    _forkserver,
    connect_to_new_process,
    disconnect,
    ensure_running,
    get_inherited_fds,
    main,
    set_forkserver_preload,
)

__all__ = [
    "MAXFDS_TO_SEND",
    "ForkServer",
    "_forkserver",
    "connect_to_new_process",
    "disconnect",
    "ensure_running",
    "get_inherited_fds",
    "main",
    "set_forkserver_preload",
]
