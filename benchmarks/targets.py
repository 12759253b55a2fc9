"""What the children of a benchmark run, where their start is what is measured.

Idea: a child that is a fresh interpreter imports the module of its target; this one costs nothing.

Invariant: it imports nothing.
"""


def nothing() -> None:
    """Do nothing."""
