"""Pickling for other processes, and explaining what cannot be pickled.

The modules, each importing only those above it:

- `settings`: what a process pickles by value, and with which reducer
- `diagnose`: which part of an object cannot be pickled, in words
- `fd_reduce`: descriptors and sockets in pickles
- `pickler`: the pickler with the reducers that were registered for other processes
- `main_module`: finding the main module, and making it again in a child
- `by_value`: pickling functions and classes that the receiver cannot import
- `messages`: pickling for channels

Layer: pickling; imports the base layer and the core. The package re-exports nothing; its public
face is `reduction`.
"""
