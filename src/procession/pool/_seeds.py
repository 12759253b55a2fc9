"""Random states of the workers.

Idea: a worker's states are a function of the pool's seed and of the worker's number, so a run can
be repeated, and no two workers draw the same numbers. Numbers are never given twice in a pool: the
worker that replaces another begins a stream of its own.

Invariant: without a seed nothing is touched; each process has distinct states then, too: see
`_launch.bootstrap.distinct_random_states`.

Layer: pool; runs in the workers.
"""

from __future__ import annotations

import importlib
import random
import sys
from hashlib import sha256

_WORDS = 8  # of 32 bits, for numpy


def settle(seed: int | str | None, number: int) -> None:
    """Give `random`, and numpy where it is loaded, the states of worker *number*."""
    if seed is None:
        return
    text = f"{seed!r}/{number}"
    random.seed(text)
    if "numpy" in sys.modules:
        numpy_random = importlib.import_module("numpy.random")  # numpy loads it on first use
        digest = sha256(text.encode()).digest()
        words = [int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(_WORDS)]
        numpy_random.seed(words)
