"""Addresses of listeners: their families, and fresh ones.

Idea: the shape of an address says which family it is of: a string is a path (or, after a NUL byte,
a name in the abstract namespace), a pair is host and port, a tuple of four is IPv6.

Invariant: a fresh path lies in a folder that only this user can enter. The folder is removed with
the process, or with the family if the process is killed.

Layer: ipc; imports the base layer, and `resource_tracker` on first use.
"""

from __future__ import annotations

import os

from .. import util

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Address = Any  # str | bytes | tuple[str, int] | tuple[str, int, int, int], as for `socket`

default_family = "AF_UNIX"

# Those that every machine has; "AF_INET6" is supported too, where the machine has it.
families = ["AF_INET", "AF_UNIX"]
_supported = ("AF_INET", "AF_UNIX", "AF_INET6")


def arbitrary_address(family: str) -> Address:
    """Return a free address of *family*.

    Raises:
        ValueError: there is no such family here.
    """
    if family == "AF_INET":
        return ("localhost", 0)
    if family == "AF_INET6":
        return ("::1", 0)
    if family == "AF_UNIX":
        return os.path.join(_private_folder(), f"listener-{os.urandom(6).hex()}")
    raise ValueError(f"unrecognized family {family!r}; the families are {', '.join(_supported)}")


def _private_folder() -> str:
    """Return the private folder of this process; the tracker removes it if the family is killed."""
    from .. import resource_tracker  # on first use: the start of a process does not need it

    return util.get_temp_dir(
        announce=lambda folder: resource_tracker.register(folder, "folder"),
        forget=lambda folder: resource_tracker.unregister(folder, "folder"),
    )


def address_type(address: Address) -> str:
    """Return the family that *address* is of: 'AF_UNIX', 'AF_INET' or 'AF_INET6'.

    Raises:
        ValueError: it has the shape of none of them.
    """
    if isinstance(address, tuple):
        six = len(address) == 4 or (bool(address) and ":" in str(address[0]))
        return "AF_INET6" if six else "AF_INET"
    if isinstance(address, str) and address.startswith("\\\\"):
        return "AF_PIPE"  # of another system; `validate_family` refuses it
    if isinstance(address, str) or util.is_abstract_socket_namespace(address):
        return "AF_UNIX"
    raise ValueError(
        f"address type of {address!r} unrecognized; use a path, or a pair of host and port"
    )


def validate_family(family: str) -> None:
    """Raise ValueError unless listeners and clients of *family* exist here."""
    if family not in _supported:
        raise ValueError(
            f"Family {family} is not recognized; the families are {', '.join(_supported)}"
        )
