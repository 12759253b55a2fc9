"""Other packages that have pools, behind the interface of a pool of `multiprocessing`.

Idea: each is used as its own documentation does for that work, with the chunks that the standard
pool would make where it leaves them to the caller. What a package cannot do it has no method for,
and no claim asks it.

Invariant: importing this module imports none of the packages.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

FUTURES = "concurrent.futures"


class Context:
    """What a benchmark is given for the package *name*."""

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
