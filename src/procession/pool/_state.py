"""What a worker keeps from task to task.

Idea: the pool's ``worker_init`` makes it once in each worker, tasks ask for it, ``worker_exit``
gets it back when the worker ends in order.

Layer: pool; runs in the workers.
"""

from __future__ import annotations

from typing import Any

_nothing = object()
_state: Any = _nothing


def worker_state() -> Any:
    """Return what the pool's ``worker_init`` returned in this worker.

    Raises:
        RuntimeError: this is no worker of a pool that has one.
    """
    if _state is _nothing:
        raise RuntimeError(
            "there is no worker state here: it is made by Pool(worker_init=...), in its workers"
        )
    return _state


def keep(state: Any) -> None:
    """Be asked for *state* from now on."""
    global _state
    _state = state


def forget() -> None:
    """There is none (any more); a forked worker has inherited that of its parent."""
    keep(_nothing)
