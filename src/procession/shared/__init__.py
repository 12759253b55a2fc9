"""Mappings and lists that processes share, without a server.

Idea: a `Dict` or a `List` is a block of the family's arena. Each operation is one call of the
native core: the value is pickled here, and linked there in one step that happens whole or not at
all, whenever a process is killed. As all shared objects, they are inherited, passed as arguments,
sent through queues, and put into one another, always as a reference.

Invariant: what is read is a copy. A change made in place to a value that was read is seen by nobody
else until it is set again, as with a manager's proxies.

Layer: ipc.
"""

from ._dict import Dict
from ._list import List

__all__ = ["Dict", "List"]

for _exported in (Dict, List):
    _exported.__module__ = __name__
del _exported
