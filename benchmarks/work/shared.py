"""Mappings and lists that processes share: ours in the arena, the standard package's in a manager.

Idea: one process reads and writes; what another would do costs the same. The standard package's
manager is started before the clock is, and is gone with the last proxy.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from ..peers import OURS
from ..timing import Measurement, of_batches

KEYS = 1000


def _shared(library: str, kind: str, content: Any) -> tuple[Any, Any]:
    """A mapping (``dict``) or list with that content, and what must live as long."""
    module = importlib.import_module(library)
    if library == OURS:
        shared = importlib.import_module(f"{library}.shared")
        return (shared.Dict if kind == "dict" else shared.List)(content), None
    manager = module.get_context("fork").Manager()
    return getattr(manager, kind)(content), manager


def _measure(
    library: str, kind: str, content: Any, count: int, work: Callable[[Any, int], None]
) -> Measurement:
    shared, _manager = _shared(library, kind, content)
    return of_batches(partial(work, shared), count)


def dict_get(library: str, count: int) -> Measurement:
    """``d[key]`` of a thousand keys."""
    return _measure(library, "dict", {f"key {i}": i for i in range(KEYS)}, count, _get_keys)


def dict_set(library: str, count: int) -> Measurement:
    """``d[key] = i`` of a thousand keys."""
    return _measure(library, "dict", {f"key {i}": i for i in range(KEYS)}, count, _set_keys)


def list_get(library: str, count: int) -> Measurement:
    """``l[i]`` of a thousand items."""
    return _measure(library, "list", list(range(KEYS)), count, _get_items)


def list_append(library: str, count: int) -> Measurement:
    """``l.append(i)``."""
    return _measure(library, "list", [], count, _append)


def _get_keys(mapping: Any, count: int) -> None:
    for i in range(count):
        assert mapping[f"key {i % KEYS}"] is not None


def _set_keys(mapping: Any, count: int) -> None:
    for i in range(count):
        mapping[f"key {i % KEYS}"] = i


def _get_items(items: Any, count: int) -> None:
    for i in range(count):
        assert items[i % KEYS] == i % KEYS


def _append(items: Any, count: int) -> None:
    for i in range(count):
        items.append(i)
