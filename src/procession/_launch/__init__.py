"""Starting a process: what the start methods have in common.

The modules; none imports one below it in this list:

- `sigint_mask`: no Ctrl-C, and for a forked worker no SIGTERM, while a process starts
- `import_locks`: imports of other threads, in a forked child
- `sentinel`: a descriptor that becomes readable when a process ends
- `parent_death`: a pipe that tells a child of its parent's end, or kills it then
- `descendants`: signals for all descendants of a process
- `exit_reason`: how a process ended, in words
- `crash_report`: what a process wrote when it crashed
- `popen`: the parent's object for a child: its exit code, signals, waiting
- `result`: a result or an exception, from child to parent
- `start_data`: the pickles that a child is made from
- `bootstrap`: a child of any method, from its identity to its exit code
- `forked_child`: the first steps of a forked child, and how it leaves

Layer: process. The package re-exports nothing: each of the modules is imported when it is needed,
because a program that only forks should not pay for the others.
"""
