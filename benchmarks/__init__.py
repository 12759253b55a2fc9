"""Benchmarks: each claim about speed, measured against the standard package in the same run.

Idea: a claim is a ratio. Both libraries do the same work in turns, so that whatever else the
machine does is shared between them; absolute times are shown, but only ratios are compared with a
target.

The modules, each importing only those above it:

- `timing`: what one measurement gives
- `peers`: the packages compared, behind one interface
- `work`: what is measured, one file for each subject
- `cases`: which work, how much of it, and the ratio claimed; the same work in several sizes
- `runner`: the libraries in turns, each measurement in a fresh interpreter
- `report`: the tables
- `__main__`: the command

Beside them `programs` has the scripts that a measurement runs, and `probes` has commands of their
own: what a pool occupies (`probes.memory`), and how soon it does what it promises
(`probes.promptness`).

Invariant: a benchmark checks what it received (a fast wrong answer is not a result) and never
decides whether a build passes.
"""
