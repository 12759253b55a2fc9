"""Putting the package in the place of the standard one, and fitting libraries to it.

The modules:

- `install`: every import of `multiprocessing` gives this package
- `hook`: which modules of libraries are changed after their import, and by which file
- `loky`, `joblib`: the changes, one file for each library
- `packed`: objects that a library pickles with a pickler of its own

Layer: context. The package re-exports nothing: a program that does not call `install` does not
import it.
"""
