"""What this process pickles by value, and with which reducer.

Idea: three settings that programs and pools change while they run. They have a module of their own
because it is cheap to import: most processes never need the picklers.

Layer: pickling; imports the standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# True once a child was started that cannot find the main module (a prompt's, a notebook's): from
# then on whatever is defined there goes by value in all messages.
main_goes_by_value: bool = False

# Whether messages send by value what plain pickle refuses. False in the worker of a pool: there it
# is an error of the task, as in the standard package, except for what came by value itself.
refused_goes_by_value: bool = True

# What the user set as a context's `reducer`; None for the package's own `reduction` module.
reducer: Any = None
