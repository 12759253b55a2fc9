"""Shared memory that has a name, and a list kept in it.

Idea: this module is the public face of its package. The layout of the list is that of the standard
package, so each of the two reads what the other has written.

Layer: ipc; re-exports only.
"""

from .._base import export
from ._segment import _SHM_NAME_PREFIX as _SHM_NAME_PREFIX
from ._segment import SharedMemory
from ._segment import _make_filename as _make_filename
from ._shareable_list import ShareableList

__all__ = ["ShareableList", "SharedMemory"]

_USE_POSIX = True

export(__name__, SharedMemory, ShareableList)
