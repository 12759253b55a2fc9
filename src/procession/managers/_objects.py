"""The objects that a manager has for its clients: the referents, and the references to them.

Idea: a referent lives as long as its count is above zero. Counted are the references of clients,
proxies that other referents contain, and leases. A lease is made when a proxy is pickled; it keeps
the referent alive until the receiver has made a reference of its own, so that the sender may give
up its reference or end meanwhile. The number of the lease is part of the token's id, which only
this manager interprets.

A referent that contains a proxy of itself keeps itself alive: there is nothing but counting.

Invariant: what a client (a process that said which one it is) holds is written down with it; when
the client is gone, exactly that is given back. Its leases are given back `GRACE` seconds later, for
the sake of those that receive what it has sent. The destructor of a referent runs without the lock.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ._deferred import DeferringLock

GRACE = 60.0
"""Seconds that a lease outlives the client it was given to."""

MOST_LEASES = 10_000
"""How many leases a client can have; with more of them the oldest ends."""

SUFFIX_LENGTH = 16
"""The last characters of an id, which are different for each manager."""

_LEASE_MARK = "."  # between a referent's id and the number of a lease


class Referent:
    """One object, as clients may use it.

    Args:
        obj: the object.
        exposed: the names of the methods that clients may call.
        method_to_typeid: methods whose results are to be referents, and their types.
        key: what is the same for two referents of the same object and type.
    Attributes:
        count: references of clients, and leases.
        local_count: proxies in the manager's own process, such as those that other referents
            contain.
        nonblocking: the bound methods that calls through channels have used so far.
    """

    __slots__ = (
        *("count", "exposed", "id", "key", "local_count", "method_to_typeid", "nonblocking"),
        "obj",
    )

    def __init__(
        self, obj: Any, exposed: Iterable[str], method_to_typeid: dict[str, str] | None, key: Any
    ):
        self.obj, self.exposed, self.method_to_typeid = obj, frozenset(exposed), method_to_typeid
        self.key = key
        self.id = ""
        self.count = 0
        self.local_count = 0
        self.nonblocking: dict[str, Any] = {}


class Holder:
    """A holder of references, usually a client."""

    def __init__(self) -> None:
        self.refs: Counter[str] = Counter()
        self.leases: dict[str, str] = {}  # number -> id of the referent


class Referents:
    """All referents of a manager."""

    def __init__(self) -> None:
        self._lock: DeferringLock[str] = DeferringLock(self._decref_local)
        self._by_id: dict[str, Referent] = {}
        self._by_key: dict[tuple[int, str], Referent] = {}
        # With it no id of this manager is an id of another one, nor of an earlier one at the same
        # address.
        self._suffix = os.urandom(SUFFIX_LENGTH // 2).hex()
        self._serials = itertools.count(1)
        self._lease_numbers = itertools.count(1)
        self._holders_of_leases: dict[str, Holder] = {}
        self._expiring: dict[Holder, float] = {}  # a client that is gone -> when its leases end
        self._garbage: list[Referent] = []

    # -------------------------------------------------------------------------------------- look-up

    def __len__(self) -> int:
        """Return the number of referents that clients refer to."""
        return sum(referent.count > 0 for referent in list(self._by_id.values()))

    def __contains__(self, ident: str) -> bool:
        return ident in self._by_id or self._without_lease(ident) in self._by_id

    def get(self, ident: str) -> Referent:
        """Return the referent that *ident* names. Raises: KeyError."""
        found = self._by_id.get(ident)
        return self._by_id[self._without_lease(ident)] if found is None else found

    def list(self) -> list[Referent]:
        """Return the referents that clients refer to, in the order of their ids."""
        referents = sorted(self._by_id.copy().items())
        return [referent for _, referent in referents if referent.count > 0]

    @staticmethod
    def _without_lease(ident: str) -> str:
        """*ident* without the number of a lease."""
        return ident.partition(_LEASE_MARK)[0] if isinstance(ident, str) else ident

    # ------------------------------------------------------------------------------------- counting

    def add(
        self,
        typeid: str,
        obj: Any,
        exposed: Iterable[str],
        method_to_typeid: dict[str, str] | None,
        holder: Holder | None,
    ) -> Referent:
        """Return the referent of *obj*, new unless there is one, counted for *holder*."""
        made = Referent(obj, exposed, method_to_typeid, (id(obj), typeid))
        with self._lock:
            referent = self._by_key.setdefault(made.key, made)
            if referent is made:
                made.id = f"{next(self._serials):x}{self._suffix}"
                self._by_id[made.id] = made
            self._count(referent, holder)
        return referent

    def incref(self, ident: str, holder: Holder | None) -> None:
        """Count a reference of *holder*; if *ident* names a lease, that ends. Raises: KeyError."""
        with self._lock:
            referent = self.get(ident)
            self._count(referent, holder)
            self._end_lease(ident.partition(_LEASE_MARK)[2])
        self._run_destructors()

    def decref(self, ident: str, holder: Holder | None) -> None:
        """Give back a reference of *holder*; nothing happens if it has none."""
        ident = self._without_lease(ident)
        with self._lock:
            if holder is not None:
                if holder.refs[ident] <= 0:
                    return
                holder.refs[ident] -= 1
            self._uncount(ident)
        self._run_destructors()

    def incref_local(self, ident: str) -> str:
        """Count a proxy in the manager's process; its id, for `decref_local`. Raises: KeyError."""
        with self._lock:
            referent = self.get(ident)
            referent.local_count += 1
            self._end_lease(ident.partition(_LEASE_MARK)[2])
        return referent.id

    def decref_local(self, ident: str) -> None:
        """Give back what `incref_local` counted. May be called at any moment."""
        self._lock.defer(ident)
        self._run_destructors()

    def _decref_local(self, idents: Iterable[str]) -> None:
        for ident in idents:
            referent = self._by_id[ident]
            referent.local_count -= 1
            self._remove_if_unused(referent)

    def _count(self, referent: Referent, holder: Holder | None) -> None:
        referent.count += 1
        if holder is not None:
            holder.refs[referent.id] += 1

    def _uncount(self, ident: str, times: int = 1) -> None:
        referent = self._by_id.get(ident)
        if referent is None:
            return
        referent.count = max(0, referent.count - times)
        self._remove_if_unused(referent)

    def _remove_if_unused(self, referent: Referent) -> None:
        if referent.count + referent.local_count == 0:
            del self._by_id[referent.id], self._by_key[referent.key]
            self._garbage.append(referent)

    def _run_destructors(self) -> None:
        """Release the referents that were removed, now that the lock is free."""
        while self._garbage:
            self._garbage.pop()

    # --------------------------------------------------------------------------------------- leases

    def lease(self, ident: str, holder: Holder) -> str:
        """Make a lease of *holder*; it ends when the returned id is counted. Raises: KeyError."""
        with self._lock:
            referent = self.get(ident)
            number = f"{next(self._lease_numbers):x}"
            referent.count += 1
            holder.leases[number] = referent.id
            self._holders_of_leases[number] = holder
            if len(holder.leases) > MOST_LEASES:
                self._end_lease(next(iter(holder.leases)))
        self._run_destructors()
        return f"{referent.id}{_LEASE_MARK}{number}"

    def _end_lease(self, number: str) -> None:
        holder = self._holders_of_leases.pop(number, None)
        if holder is not None:
            self._uncount(holder.leases.pop(number))

    def release_all(self, holder: Holder) -> None:
        """Give back all references of *holder*, which is gone; its leases last a little longer."""
        with self._lock:
            for ident, times in holder.refs.items():
                if times > 0:
                    self._uncount(ident, times)
            holder.refs.clear()
            if holder.leases:
                self._expiring[holder] = time.monotonic() + GRACE
        self._run_destructors()

    def end_expired_leases(self) -> float | None:
        """End the leases whose time is over.

        Returns:
            The seconds until the next ones; None if there are none.
        """
        now = time.monotonic()
        with self._lock:
            for holder, when in list(self._expiring.items()):
                if when <= now or not holder.leases:
                    del self._expiring[holder]
                    for number in list(holder.leases):
                        self._end_lease(number)
            soonest = min(self._expiring.values(), default=None)
        self._run_destructors()
        return None if soonest is None else max(0.0, soonest - now)
