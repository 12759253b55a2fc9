"""Environment variables that processes which are being started shall inherit.

Idea: a fresh interpreter gets the environment of whoever starts it, so that is changed meanwhile.

Invariant: afterwards the variables are what they were; one change at a time. Other threads see the
variables too while it lasts.

Layer: base.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

_changing = Lock()


def _after_fork_in_child() -> None:
    """A child is forked while the variables are changed, and may start processes itself."""
    global _changing
    _changing = Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def inherited(variables: Mapping[str, str]) -> Iterator[None]:
    """Have processes that start meanwhile inherit *variables*."""
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
