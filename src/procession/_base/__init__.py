"""The base layer: deadlines, errors, logs, finalizers, limits, what is known of this process.

Idea: what several packages need and what needs none of them.

Invariant: nothing here imports anything of the package but this folder and the core.

Types cost nothing at run time, here and in all other packages: `from __future__ import annotations`
leaves annotations unevaluated, and what only they need is imported under ``if TYPE_CHECKING:``. The
modules that every child imports say ``TYPE_CHECKING = False`` themselves, which type checkers
understand, because importing `typing` takes longer than importing this package.

Layer: base. The package re-exports nothing: each module is imported when it is needed.
"""
