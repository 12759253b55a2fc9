"""What turns objects into bytes for other processes, and explains what cannot be turned.

The modules, each importing only those above it:

- `diagnose`: which part of an object is the trouble, in words
- `pickler`: the pickler with the reducers that were registered for travel between processes
- `main_module`: which module is ``__main__``, and making it again in a child
- `by_value`: pickling what plain pickle refuses
- `messages`: pickling for channels

Layer: pickling; imports the base layer and the core. The package re-exports nothing; its public
face is `reduction`.
"""
