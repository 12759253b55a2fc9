"""Running what the program wants to be called: callbacks, reports of progress, wake-ups.

Idea: a callback is the program's code and runs in whatever thread receives its result, beside
those of other jobs. What it raises is reported by `threading.excepthook`, like a thread that ends
so.

Invariant: each callback is run once, whatever others raise, and the thread goes on. Only a
KeyboardInterrupt in the main thread is let through, when all have run: it may be the user's Ctrl-C.

Layer: pool.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .._base import safe_text

Callback = Callable[[], object]


def run(callbacks: list[Callback]) -> None:
    """Run each of *callbacks*.

    Raises:
        KeyboardInterrupt: it came in the main thread.
    """
    interrupt = None
    for callback in callbacks:
        try:
            callback()
        except KeyboardInterrupt as error:
            if threading.current_thread() is threading.main_thread():
                interrupt = error
            else:
                _report(error)
        except BaseException as error:  # noqa: BLE001 - it is the program's, and so is the report
            _report(error)
    if interrupt is not None:
        raise interrupt


def _report(error: BaseException) -> None:
    """Report what a callback raised, as of a thread."""
    if isinstance(error, SystemExit):  # in a thread, this would be passed over in silence
        said = "a callback of a pool called sys.exit(); it ends neither the thread nor the program"
        exit_error, error = error, RuntimeError(said)
        error.__cause__ = exit_error
    arguments = type(error), error, error.__traceback__, threading.current_thread()
    try:
        threading.excepthook(threading.ExceptHookArgs(arguments))
    except BaseException as reason:  # noqa: BLE001 - a hook of the program, or a traceback's methods
        text = RuntimeError(
            f"threading.excepthook raised {safe_text.name_of(reason)}, for an error of a callback: "
            f"{safe_text.traceback_of(error)}"
        )
        threading.__excepthook__(threading.ExceptHookArgs((RuntimeError, text, None, None)))
