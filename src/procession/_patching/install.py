"""Standing in the place of the standard package, for programs that do not know of this one.

Idea: one finder in front of all others gives every import of `multiprocessing` or a part of it the
module of the same name here: the very object, so that patches, pickles and identity tests see one
module under both names. What was imported from the standard package before is replaced, in
`sys.modules` and in the name spaces of the modules that hold it.

Invariant: a module that holds parts of the standard package is moved over whole or not at all, and
those left behind are named in a warning: a class derived from a standard one, or a lock made
before, cannot be changed into another.

How children get it: a forked one has it already. The others are told in their preparation data
(`runtime.stand_in`), not by the environment, which programs clean and which reaches processes that
are none of ours; they call `install` before they import the main module.

Layer: context; imports base. The package is there when this is called.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .._base import runtime

STANDARD = "multiprocessing"
PACKAGE = __name__.partition(".")[0]

# Modules of libraries that reach into the standard package's inside, see `libraries`.
FITTED = frozenset({"loky.backend.process", "loky.backend.queues", "joblib.pool"})
VENDOR = "joblib.externals."  # joblib has its own copy of loky

# A module of the standard library that derives classes from the standard package's when it is
# imported. It is simply imported again.
IMPORTED_AGAIN = "concurrent.futures.process"


def install() -> None:
    """Give every later ``import multiprocessing`` in this process and its children this package.

    Nothing happens if it has been done. Call it before other modules are imported.

    Warns:
        RuntimeWarning: modules imported before hold what cannot be replaced; names them.
    """
    if _finder in sys.meta_path:
        return
    sys.meta_path.insert(0, _finder)
    runtime.stand_in = True
    standard = _take_out_standard_modules()
    # Now, not at its first import: logging looks for it there to name the process in a record.
    sys.modules[STANDARD] = sys.modules[PACKAGE]
    if standard:
        try:
            _move_over(standard)
        except BaseException:
            uninstall()  # whole or not at all
            raise


def uninstall() -> None:
    """Take `install` back: later imports give the standard package again.

    Modules that were imported meanwhile keep what they have.
    """
    if _finder not in sys.meta_path:
        return
    sys.meta_path.remove(_finder)
    runtime.stand_in = False
    for name in [name for name in sys.modules if _is_part_of_standard(name)]:
        del sys.modules[name]
    sys.modules.update(_replaced)
    for namespace, name, value in _rebound:
        namespace[name] = value
    _replaced.clear()
    _rebound.clear()


_replaced: dict[str, ModuleType] = {}  # what `install` took out of sys.modules
_rebound: list[tuple[dict[str, Any], str, Any]] = []  # name spaces it changed, the old values


# --------------------------------------------------------------------------------- later imports


class _Finder:
    """Finds the standard package's modules here; it is also their loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec if there is such a module here; nothing but parent packages is loaded."""
        if fullname.removeprefix(VENDOR) in FITTED:
            return _fitted(fullname, path, target)
        if not _is_part_of_standard(fullname):
            return None
        import importlib.util  # not needed by programs that import only the package itself

        found = importlib.util.find_spec(_counterpart(fullname))
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, _finder, origin=found.origin, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system: were it the module itself, its spec would be replaced."""

    def exec_module(self, module: ModuleType) -> None:
        """Put our module in the place of the new one; the import system returns what is there."""
        assert module.__spec__ is not None
        name = module.__spec__.name
        sys.modules[name] = importlib.import_module(_counterpart(name))


_finder: Any = _Finder()


def _fitted(
    fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    """The spec that the finders behind ours give, with a loader that fits the module to ours."""
    for finder in sys.meta_path[sys.meta_path.index(_finder) + 1 :]:
        spec = finder.find_spec(fullname, path, target)
        if spec is not None:
            from . import libraries  # not needed by most programs

            loader: Any = libraries.Loader(spec.loader, fullname.removeprefix(VENDOR))
            spec.loader = loader
            return spec
    return None


def _is_part_of_standard(name: str) -> bool:
    return name == STANDARD or name.startswith(STANDARD + ".")


def _counterpart(name: str) -> str:
    return PACKAGE + name.removeprefix(STANDARD)


# -------------------------------------------------------------------------------- earlier imports


def _take_out_standard_modules() -> dict[str, ModuleType]:
    """Remove what was imported from the standard package from sys.modules, and return it."""
    for name, module in list(sys.modules.items()):
        if _is_part_of_standard(name) and getattr(module, "__name__", None) == name:
            _replaced[name] = sys.modules.pop(name)
    if _replaced and IMPORTED_AGAIN in sys.modules:
        _replaced[IMPORTED_AGAIN] = sys.modules.pop(IMPORTED_AGAIN)
    return _replaced


def _move_over(standard: dict[str, ModuleType]) -> None:
    """Give all modules that hold parts of *standard* ours instead."""
    replacements = _replacements(standard)
    left_behind = {}
    for module in set(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if namespace is None or _is_own(module):
            continue
        held = {name: value for name, value in namespace.items() if id(value) in replacements}
        stuck = [name for name, value in namespace.items() if _is_stuck(value, replacements)]
        if stuck:
            left_behind[module.__name__] = sorted({*stuck, *held})
            continue
        for name, value in held.items():
            _rebound.append((namespace, name, value))
            namespace[name] = replacements[id(value)]
    if left_behind:
        _warn(left_behind)


def _replacements(standard: dict[str, ModuleType]) -> dict[int, Any]:
    """Map the identities of the standard modules and all they define to what replaces each."""
    found: dict[int, Any] = {}
    for name, old in standard.items():
        try:
            new = importlib.import_module(name)
        except ModuleNotFoundError:  # a part that has no counterpart here
            continue
        found[id(old)] = new
        for key, value in vars(old).items():
            if _is_standard_object(value) and hasattr(new, key):
                found[id(value)] = getattr(new, key)
    return found


def _is_own(module: ModuleType) -> bool:
    """Whether *module* is one of this package, or was made on it just now."""
    name = module.__name__
    return name.partition(".")[0] == PACKAGE or name == IMPORTED_AGAIN


def _is_standard_object(value: Any) -> bool:
    """Whether *value* is a class, function or instance of what is replaced."""
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and (_is_part_of_standard(module) or module == IMPORTED_AGAIN)


def _is_stuck(value: Any, replacements: dict[int, Any]) -> bool:
    """Whether *value* belongs to the standard package for ever."""
    if id(value) in replacements:
        return False
    classes: Iterable[type] = value.__mro__ if isinstance(value, type) else type(value).__mro__
    return any(_is_standard_object(each) for each in classes)


def _warn(left_behind: dict[str, list[str]]) -> None:
    modules = "; ".join(f"{name} ({', '.join(held)})" for name, held in left_behind.items())
    warnings.warn(
        f"{PACKAGE}.install() came after parts of the standard package were put to use, and these "
        f"modules keep them: {modules}. Call it before they are imported.",
        RuntimeWarning,
        stacklevel=5,
    )
