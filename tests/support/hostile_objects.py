"""Objects and exceptions one of whose methods raises, for each method and each kind of error.

They are classes of this module, so that they can be sent by name; `make` and `make_error` give an
instance by its method and what that raises.
"""

from typing import Any

METHODS = [
    *("__reduce__", "__setattr__", "__repr__", "__str__", "__hash__", "__eq__", "__bool__"),
    *("__len__", "__iter__", "__del__", "__getstate__", "__setstate__"),
]


class Stop(BaseException):
    """An error that is no Exception."""


ERRORS: dict[str, type[BaseException]] = {"value": ValueError, "exit": SystemExit, "stop": Stop}
CASES = [(method, kind) for method in METHODS for kind in ERRORS]


def _class(base: type, method: str, kind: str) -> type:
    def raising(self: Any, *_: Any) -> Any:
        raise ERRORS[kind](f"{method} raises")

    name = f"{base.__name__}_{method.strip('_')}_{kind}"
    return type(name, (base,), {method: raising, "__module__": __name__})


class Thing:
    """An object with a state, which pickle sends."""

    def __init__(self) -> None:
        vars(self)["state"] = 1

    def __call__(self, *_: Any) -> int:
        """Be a target, a task or a callback."""
        return 1


class Failure(Exception):
    """An exception with a state."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        vars(self)["state"] = 1


for _method, _kind in CASES:
    for _base in (Thing, Failure):
        _made = _class(_base, _method, _kind)
        globals()[_made.__name__] = _made


def make(method: str, kind: str) -> Any:
    """Return an object whose *method* raises an error of that *kind*."""
    return globals()[f"Thing_{method.strip('_')}_{kind}"]()


def make_error(method: str, kind: str) -> BaseException:
    """Return an exception whose *method* raises an error of that *kind*."""
    error: BaseException = globals()[f"Failure_{method.strip('_')}_{kind}"]("message")
    return error


def raise_error(method: str, kind: str) -> None:
    """Raise such an exception."""
    raise make_error(method, kind)


def raise_with(place: str, method: str, kind: str) -> None:
    """Raise a usual exception that has such an object as an argument, a note or its cause."""
    if place == "argument":
        raise ValueError(make(method, kind))
    error = ValueError("usual")
    if place == "note":
        error.__notes__ = [make(method, kind)]  # type: ignore[attr-defined]
    elif place == "notes":
        error.__notes__ = make(method, kind)  # type: ignore[attr-defined]
    else:
        raise error from make_error(method, kind)
    raise error
