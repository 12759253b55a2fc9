"""Which modules of libraries are fitted to this package, and by which file.

Idea: a few libraries derive their own queues, pools and process classes from those of
`multiprocessing` and rely on how these work inside. While this package stands in for the standard
one, such a module is changed right after its import, where it uses what does not exist here. The
finder of `install` asks this module, which imports the file with the changes at the first need.

Invariant: a module is changed only if all that is to be changed is there, and only in processes
where `install` was called. Its own interface stays as it was.

Layer: context.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

# Module -> the file of this folder that has the change.
FITTED = {
    "loky.backend.process": "loky",
    "loky.backend.queues": "loky",
    "joblib.pool": "joblib",
}
_VENDOR = "joblib.externals."  # joblib has its own copy of loky


def is_fitted(fullname: str) -> bool:
    """Return whether the module *fullname* is one that is changed after its import."""
    return fullname.removeprefix(_VENDOR) in FITTED


class Loader:
    """Loads the module *fullname* with its own loader, then changes it."""

    def __init__(self, loader: Any, fullname: str):
        self._loader, self._name = loader, fullname.removeprefix(_VENDOR)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> ModuleType | None:
        """Return what the module's own loader makes."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module by its own loader, then change it."""
        self._loader.exec_module(module)
        needed, change = _changes(FITTED[self._name])[self._name]
        if all(hasattr(module, name) for name in needed):
            change(module)


def _changes(file: str) -> Any:
    """Return the table ``CHANGES`` of a file of this folder: module -> needed names, function."""
    if file == "loky":
        from . import loky

        return loky.CHANGES
    from . import joblib

    return joblib.CHANGES
