"""Benchmarks: each claim about speed, measured against the standard package in the same run.

Idea: a claim is a ratio. Both libraries do the same work in turns, so that whatever else the
machine does is shared between them; absolute times are shown, but only ratios are compared with a
target.

The modules, each importing only those above it:

- `measurement`: what one measurement gives
- `libraries`: the packages compared, behind one interface
- `queues`, `pipes`, `locks`, `pools`, `starts`: the work
- `claim`: what one claim is
- `claims`: which work, how much of it, and the ratio claimed
- `growth`: the same work in several sizes, for curves
- `measure`: one measurement, in a fresh interpreter
- `report`: the tables
- `__main__`: the run: who measures what in which order

Invariant: a benchmark checks what it received (a fast wrong answer is not a result) and never
decides whether a build passes.
"""
