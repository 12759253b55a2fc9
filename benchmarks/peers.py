"""The packages that are compared, behind one interface: that of `multiprocessing`.

Idea: a benchmark is given a context and knows no more. A peer that has only queues, or only pools,
is completed with the processes of the standard package. Each peer is used as its own documentation
does for that work, with the chunks that the standard pool would make where the peer leaves them to
the caller. What a peer cannot do it has no method for, and no case asks it.

Invariant: importing this module imports none of the packages.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

STANDARD = "multiprocessing"
OURS = "procession"
FUTURES = "concurrent.futures"
BYTES = 64_000_000  # for a peer that wants to know how large its queues shall be


def context(library: str, method: str) -> Any:
    """Return the context of start method *method* of the package named *library*."""
    if library == "faster_fifo":
        return _FasterFifo(context(STANDARD, method))
    if library in POOLS:
        return Context(library, context(STANDARD, method))
    return importlib.import_module(library).get_context(method)


def is_installed(library: str) -> bool:
    """Return whether *library* can be imported here."""
    return importlib.util.find_spec(library) is not None


def version(library: str) -> str:
    """Return the version of *library*, which may be used from its sources."""
    if library in (STANDARD, FUTURES):
        return f"of Python {platform.python_version()}"
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


class _FasterFifo:
    """The context of a package that has queues, and of the standard one for the rest."""

    def __init__(self, standard: Any) -> None:
        self._standard = standard

    def Queue(self, maxsize: int = 0) -> Any:
        import faster_fifo

        return faster_fifo.Queue(max_size_bytes=BYTES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._standard, name)


class Context:
    """What a benchmark is given for the package *name*, which has pools."""

    def __init__(self, name: str, context: Any) -> None:
        self._name, self._context = name, context

    def Pool(self, workers: int) -> Any:
        """A pool of the package."""
        return POOLS[self._name](self._context, workers)


def chunk(items: Sequence[Any], workers: int) -> int:
    """The size of a chunk that the standard pool would choose."""
    return -(-len(items) // (workers * 4)) or 1


class _Pool:
    """What all have in common. Args: the context of its processes, and how many."""

    def __init__(self, context: Any, workers: int) -> None:
        self._workers = workers
        self._open(context)

    def _open(self, context: Any) -> None:
        raise NotImplementedError

    def terminate(self) -> None:
        """End the workers."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.terminate()


class _Async:
    """A future with the method of an AsyncResult."""

    def __init__(self, future: Any) -> None:
        self.get = future.result


class _Futures(_Pool):
    """`concurrent.futures`."""

    def _open(self, context: Any) -> None:
        module = importlib.import_module(FUTURES)
        self._executor = module.ProcessPoolExecutor(self._workers, mp_context=context)

    def apply(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return self._executor.submit(function, *args).result()

    def apply_async(self, function: Callable[..., Any], args: tuple[Any, ...]) -> _Async:
        return _Async(self._executor.submit(function, *args))

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        return list(self._executor.map(function, items, chunksize=chunk(items, self._workers)))

    def starmap(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        columns = zip(*items, strict=True)
        return list(self._executor.map(function, *columns, chunksize=chunk(items, self._workers)))

    def imap_unordered(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: int
    ) -> Iterator[Any]:
        futures = importlib.import_module(FUTURES)
        calls = [self._executor.submit(function, item) for item in items]
        for call in futures.as_completed(calls):
            yield call.result()

    def terminate(self) -> None:
        self._executor.shutdown(cancel_futures=True)


class _Loky(_Futures):
    """`loky`: the same interface, its own start method."""

    def _open(self, context: Any) -> None:
        self._executor = importlib.import_module("loky").ProcessPoolExecutor(self._workers)

    def terminate(self) -> None:
        self._executor.shutdown(kill_workers=True)


class _Joblib(_Pool):
    """`joblib`; it has no single calls."""

    def _open(self, context: Any) -> None:
        self._joblib = importlib.import_module("joblib")
        self._parallel = self._joblib.Parallel(self._workers).__enter__()

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        return list(self._parallel(self._joblib.delayed(function)(item) for item in items))

    def starmap(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        return list(self._parallel(self._joblib.delayed(function)(*item) for item in items))

    def imap_unordered(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: int
    ) -> Any:
        delayed = self._joblib.delayed(function)
        parallel = self._joblib.Parallel(
            self._workers, return_as="generator_unordered", batch_size=chunksize
        )
        return parallel(delayed(item) for item in items)

    def terminate(self) -> None:
        self._parallel.__exit__(None, None, None)


class _Mpire(_Pool):
    """`mpire`."""

    def _open(self, context: Any) -> None:
        module = importlib.import_module("mpire")
        self._pool = module.WorkerPool(self._workers, start_method="fork", keep_alive=True)

    def apply(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return self._pool.apply(function, args)

    def apply_async(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return self._pool.apply_async(function, args)

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        return list(self._pool.map(function, [(item,) for item in items]))  # no array is spread

    def starmap(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        return list(self._pool.map(function, items))  # it spreads tuples

    def imap_unordered(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: int
    ) -> Any:
        # Ordered: workers that are kept from an ordered map give no unordered results.
        return self._pool.imap(function, items, chunk_size=chunksize)

    def terminate(self) -> None:
        self._pool.terminate()


class _Pebble(_Pool):
    """`pebble`; its maps take an iterable for each argument."""

    def _open(self, context: Any) -> None:
        self._pool = importlib.import_module("pebble").ProcessPool(self._workers, context=context)

    def apply(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return self._pool.schedule(function, args=args).result()

    def apply_async(self, function: Callable[..., Any], args: tuple[Any, ...]) -> _Async:
        return _Async(self._pool.schedule(function, args=args))

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        size = chunk(items, self._workers)
        return list(self._pool.map(function, items, chunksize=size).result())

    def starmap(self, function: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        size = chunk(items, self._workers)
        return list(self._pool.map(function, *zip(*items, strict=True), chunksize=size).result())

    def imap_unordered(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: int
    ) -> Any:
        return self._pool.map(function, items, chunksize=chunksize).result()

    def terminate(self) -> None:
        self._pool.stop()
        self._pool.join()


POOLS: dict[str, type[_Pool]] = {
    FUTURES: _Futures,
    "loky": _Loky,
    "joblib": _Joblib,
    "mpire": _Mpire,
    "pebble": _Pebble,
}

PEERS = ("faster_fifo", *POOLS)  # measured where they are installed
