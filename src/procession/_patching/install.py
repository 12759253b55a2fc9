"""Putting this package in the place of the standard one, for programs that do not know of it.

Idea: one finder in front of all others gives every import of `multiprocessing` or a part of it the
module of the same name here: the very object, so that patches, pickles and identity tests see one
module under both names. What was imported from the standard package before is replaced, in
`sys.modules` and in the name spaces of the modules that hold it.

Invariant: a module that refers to parts of the standard package is changed whole or not at all. The
modules that were not changed are named in a warning: a class derived from a standard one, or a lock
made before, cannot be replaced.

How children get it: a forked one has it already. The others are told in their preparation data
(`runtime.stand_in`), and call `install` before they import the main module. The environment would
not do: programs remove variables from it, and processes of other programs inherit it.

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
from . import hook

STANDARD = "multiprocessing"
PACKAGE = __name__.partition(".")[0]

# A module of the standard library that derives classes from the standard package's when it is
# imported. It is simply imported again.
IMPORTED_AGAIN = "concurrent.futures.process"


def install() -> None:
    """Have every later ``import multiprocessing``, here and in children, give this package.

    A second call does nothing. Call it before other modules are imported.

    Warns:
        RuntimeWarning: modules imported before refer to what cannot be replaced; names them.
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
            _replace_references(standard)
        except BaseException:
            uninstall()  # whole or not at all
            raise


def uninstall() -> None:
    """Undo `install`: later imports give the standard package again.

    Modules that were imported meanwhile keep the objects they have.
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
        """Return a spec if there is such a module here; this loads parent packages alone."""
        if hook.is_fitted(fullname):
            return _spec_with_change(fullname, path, target)
        if not _is_part_of_standard(fullname):
            return None
        import importlib.util  # not needed by programs that import only the package itself

        found = importlib.util.find_spec(_counterpart(fullname))
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, _finder, origin=found.origin, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system, which would replace the spec of a module of ours."""

    def exec_module(self, module: ModuleType) -> None:
        """Put our module in the place of the new one; the import system returns that."""
        name = module.__name__
        sys.modules[name] = importlib.import_module(_counterpart(name))


_finder: Any = _Finder()


def _spec_with_change(
    fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    """Return the spec from the finders behind ours, with a loader that changes the module."""
    for finder in sys.meta_path[sys.meta_path.index(_finder) + 1 :]:
        spec = finder.find_spec(fullname, path, target)
        if spec is not None:
            loader: Any = hook.Loader(spec.loader, fullname)
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


def _replace_references(standard: dict[str, ModuleType]) -> None:
    """Replace what all modules have of *standard* by the counterparts here."""
    replacements = _replacements(standard)
    unchanged = {}
    for module in set(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if namespace is None or _is_own(module):
            continue
        found = {name: value for name, value in namespace.items() if id(value) in replacements}
        fixed = [name for name, value in namespace.items() if _is_fixed(value, replacements)]
        if fixed:
            unchanged[module.__name__] = sorted({*fixed, *found})
            continue
        for name, value in found.items():
            _rebound.append((namespace, name, value))
            namespace[name] = replacements[id(value)]
    if unchanged:
        _warn(unchanged)


def _replacements(standard: dict[str, ModuleType]) -> dict[int, Any]:
    """Map the ids of the standard modules, and of all they define, to the counterparts here."""
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
    """Whether *module* is of this package, or was imported again after the replacement."""
    name = module.__name__
    return name.partition(".")[0] == PACKAGE or name == IMPORTED_AGAIN


def _is_standard_object(value: Any) -> bool:
    """Whether *value* is a class, a function or an instance from what is replaced."""
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and (_is_part_of_standard(module) or module == IMPORTED_AGAIN)


def _is_fixed(value: Any, replacements: dict[int, Any]) -> bool:
    """Whether *value* belongs to the standard package and has no counterpart here."""
    if id(value) in replacements:
        return False
    classes: Iterable[type] = value.__mro__ if isinstance(value, type) else type(value).__mro__
    return any(_is_standard_object(each) for each in classes)


def _warn(unchanged: dict[str, list[str]]) -> None:
    modules = "; ".join(f"{name} ({', '.join(names)})" for name, names in unchanged.items())
    warnings.warn(
        f"{PACKAGE}.install() came after parts of the standard package were put to use, and these "
        f"modules keep them: {modules}. Call it before they are imported.",
        RuntimeWarning,
        stacklevel=5,
    )
