"""Threads whose outcome is looked at."""

import threading
from typing import Any

TIMEOUT = 10.0  # seconds; what takes so long has hung


class Background:
    """A thread whose result, or exception, is given by `result`."""

    def __init__(self, work: Any, *args: Any) -> None:
        self._outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(work, args), daemon=True)
        self._thread.start()

    def _run(self, work: Any, args: tuple[Any, ...]) -> None:
        try:
            self._outcome = work(*args)
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks
            self._outcome = error

    def result(self) -> Any:
        """Wait for the end."""
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()
        return self._outcome


def in_thread(work: Any, *args: Any) -> Any:
    """Return what *work* returns, or raises, in another thread."""
    return Background(work, *args).result()
