"""Shared memory that has a name, and a list kept in it.

Idea: what is here is found by programs of every kind under the names they know from the standard
package; the layout of the list is that package's, so both read what the other has written.

Layer: ipc; re-exports only.
"""

from ._segment import _SHM_NAME_PREFIX as _SHM_NAME_PREFIX
from ._segment import SharedMemory
from ._segment import _make_filename as _make_filename
from ._shareable_list import ShareableList

__all__ = ["ShareableList", "SharedMemory"]

_USE_POSIX = True

for _exported in (SharedMemory, ShareableList):
    _exported.__module__ = __name__
del _exported
