"""Environment variables for processes that are being started.

Idea: a fresh interpreter inherits the environment of the process that starts it, so this process's
own environment is changed for the time of the start.

Invariant: afterwards the variables are what they were. One thread at a time changes them; other
threads see the changes while they last.

Layer: base.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

_changing = Lock()


def _after_fork_in_child() -> None:
    """Make a new lock: another thread of the parent may have held it during the fork."""
    global _changing
    _changing = Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def inherited(variables: Mapping[str, str]) -> Iterator[None]:
    """Have processes that are started in the body of this ``with`` inherit *variables*."""
    if not variables:
        yield
        return
    with _changing:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
