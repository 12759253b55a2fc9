"""The packages that are compared, behind one interface: that of `multiprocessing`.

Idea: a benchmark is given a context and knows no more. A package that has only queues is completed
with the processes of the standard one.

Invariant: importing this module imports none of the packages.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
from typing import Any

from . import peers

STANDARD = "multiprocessing"
OURS = "procession"
PEERS = ("faster_fifo", *peers.POOLS)  # measured where they are installed
BYTES = 64_000_000  # for a peer that wants to know how large its queues shall be


def context(library: str, method: str) -> Any:
    """Return the context of start method *method* of the package named *library*."""
    if library == "faster_fifo":
        return _FasterFifo(context(STANDARD, method))
    if library in peers.POOLS:
        return peers.Context(library, context(STANDARD, method))
    return importlib.import_module(library).get_context(method)


def is_installed(library: str) -> bool:
    """Return whether *library* can be imported here."""
    return importlib.util.find_spec(library) is not None


def version(library: str) -> str:
    """Return the version of *library*, which may be used from its sources."""
    if library in (STANDARD, peers.FUTURES):
        return f"of Python {platform.python_version()}"
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


class _FasterFifo:
    """The context of a package that has queues, and of the standard one for the rest."""

    def __init__(self, standard: Any) -> None:
        self._standard = standard

    def Queue(self, maxsize: int = 0) -> Any:
        import faster_fifo

        return faster_fifo.Queue(max_size_bytes=BYTES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._standard, name)
