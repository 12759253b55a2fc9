"""The main module of one measurement, which `benchmarks.runner` starts.

Idea: a child that is a fresh interpreter imports its parent's main module. What that costs is the
program's affair, and the same for every library; so here it costs nothing.

Invariant: it imports nothing when it is imported.
"""

if __name__ == "__main__":
    from benchmarks.runner import main

    main()
