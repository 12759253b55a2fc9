"""The base layer: deadlines, errors, logs, finalizers, limits, what is known of this process.

Idea: what several packages need and what needs none of them.

Invariant: nothing here imports anything of the package but this folder and the core.

Layer: base. The package re-exports nothing: each module is imported when it is needed.
"""
