"""The named places where the crash build of the core can be killed.

Idea: the names are read from the sources, so that a new CRASH_POINT is tested by the tests that ask
for its prefix, without a line anywhere.
"""

import re
from pathlib import Path

NATIVE = Path(__file__).resolve().parents[2] / "native"
POINT = re.compile(r'\bCRASH_POINT\("([^"*]+)"\)')


def crash_points(prefix: str) -> list[str]:
    """Return the sorted names of all crash points that start with *prefix*; there is at least one.

    Raises:
        LookupError: there is none, so that a renamed prefix cannot silence its tests.
    """
    sources = (path.read_text() for path in NATIVE.rglob("*.[ch]") if "tests" not in path.parts)
    names = {name for text in sources for name in POINT.findall(text)}
    found = sorted(name for name in names if name.startswith(prefix))
    if not found:
        raise LookupError(f"no CRASH_POINT in native/ starts with {prefix!r}; there are {names}")
    return found
