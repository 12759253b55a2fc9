"""Standing in the place of the standard package, and fitting libraries that reach into its inside.

Layer: context. The package re-exports nothing: a program that does not ask for `install` does not
import it.
"""
