"""Mappings and lists that processes share, without a server.

Idea: a `Dict` or a `List` is a block of the family's arena. Each operation is one call of the
native core, which pickles the value and links it in one step. This step is done completely or not
at all, whenever a process is killed. Like all shared objects they are inherited, passed as
arguments, sent through queues, and put into one another, always as a reference.

Invariant: what is read is a copy. When a value that was read is changed in place, other processes
do not see the change until the value is set again, as with a manager's proxies.

Layer: ipc.
"""

from .._base import export
from ._dict import Dict
from ._list import List

__all__ = ["Dict", "List"]

export(__name__, Dict, List)
