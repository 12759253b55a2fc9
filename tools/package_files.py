"""Print the files of the package that an installation needs, one a line, relative to the package.

Idea: meson has no wildcard. This is the one place that says what belongs to the package: its Python
modules, the types of its extension, and the marker that it is typed. Compiled caches and the
development build's extension, which lie in the same folder, do not.
"""

import sys
from pathlib import Path


def package_files(package: Path) -> list[str]:
    """Return the sorted relative paths of the modules below *package* and its py.typed."""
    found = [*package.rglob("*.py"), *package.rglob("*.pyi"), package / "py.typed"]
    return sorted(str(path.relative_to(package)) for path in found)


if __name__ == "__main__":
    print(*package_files(Path(sys.argv[1])), sep="\n")
