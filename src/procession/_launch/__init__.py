"""Starting a process: what the start methods have in common.

The modules, each importing only those above it:

- `authkey`: the key of the family, which does not pickle
- `sentinel`: a descriptor that becomes readable when a process ends
- `lifeline`: a pipe by which a child learns, or dies of, the end of its parent
- `popen`: the parent's hold on a child: its exit code, signals, waiting
- `mainmodule`: which module is ``__main__``, and making it again in a child
- `byvalue`: pickling what plain pickle refuses
- `death`: how a process ended, in words
- `outcome`: a result or an exception, from child to parent
- `tree`: signals for all descendants
- `request`: what a client tells the fork server
- `payload`: everything a new interpreter needs to become the child
- `child`: from the first line of the child to its exit code
- `server`: the fork server's side

Layer: process. The package re-exports nothing: each of the modules is imported when it is needed,
because a program that only forks should not pay for the others.
"""
