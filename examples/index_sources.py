"""Count the names used in the interpreter's standard library, in parallel.

Idea: an ordinary program of the `multiprocessing` package. File names go to a pool; each result
comes back as a counter and an array; a shared value counts what is done; a queue takes the files
that cannot be read to a process that lists them.

Invariant: stdout depends on the files alone, not on the number of workers, the order in which
results arrive or the start method. What does depend on them, progress and time, goes to stderr.

    python index_sources.py [--start METHOD] [--workers N] [--limit N]
"""

from __future__ import annotations

import argparse
import keyword
import multiprocessing
import sys
import sysconfig
import time
import tokenize
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIELDS = ("lines", "tokens", "names", "strings", "comments")
COUNTED = {tokenize.NAME: 2, tokenize.STRING: 3, tokenize.COMMENT: 4}  # token type: its field
LIBRARY = Path(sysconfig.get_path("stdlib"))
SHOWN = 20

Result = tuple[Counter[str], "array[int]"]

_done: Any  # in a worker: how many files are done, in all workers
_failures: Any  # in a worker: the queue to the logger


# ------------------------------------------------------------------------------- in the workers


def begin_worker(done: Any, failures: Any) -> None:
    """Keep what all workers share where `index` finds it."""
    global _done, _failures
    _done, _failures = done, failures


def index(name: str) -> Result:
    """Tokenize one file; what cannot be tokenized counts nothing and is sent to the logger.

    Args:
        name: path of the file, relative to the library.
    Returns:
        How often each name occurs, keywords left out; and the totals in the order of FIELDS.
    """
    try:
        result = count_names(LIBRARY / name)
    except (SyntaxError, tokenize.TokenError, UnicodeDecodeError) as error:
        _failures.put((name, type(error).__name__))
        result = Counter(), array("Q", [0] * len(FIELDS))
    with _done.get_lock():
        _done.value += 1
    return result


def count_names(path: Path) -> Result:
    """Tokenize one file and count."""
    names: Counter[str] = Counter()
    totals = array("Q", [0] * len(FIELDS))
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            totals[1] += 1
            if token.type in COUNTED:
                totals[COUNTED[token.type]] += 1
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                names[token.string] += 1
        totals[0] = token.start[0]
    return names, totals


# -------------------------------------------------------------------------------- in the logger


def list_failures(failures: Any) -> None:
    """Take failures from the queue until None comes, then print them in order."""
    failed = sorted(iter(failures.get, None))
    print(f"{len(failed)} files could not be tokenized")
    for name, reason in failed:
        print(f"  {name}: {reason}")


# -------------------------------------------------------------------------- in the main process


def source_files(limit: int | None) -> list[str]:
    """Return the library's source files, relative to it, in order; at most *limit* of them."""
    found = (path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py"))
    return sorted(str(path) for path in found if "site-packages" not in path.parts)[:limit]


def index_all(context: Any, files: list[str], workers: int) -> Result:
    """Index the files in *workers* processes and add up the results."""
    done = context.Value("i", 0)
    failures = context.Queue()
    logger = context.Process(target=list_failures, args=(failures,), name="logger", daemon=True)
    logger.start()
    try:
        with context.Pool(workers, begin_worker, (done, failures)) as pool:
            results = pool.imap_unordered(index, files)
            total = add_up(with_progress(results, done, len(files)))
            pool.close()
            pool.join()  # so that the last failure is in the queue before the None
    finally:
        failures.put(None)
        logger.join()
    return total


def with_progress(results: Iterator[Result], done: Any, expected: int) -> Iterator[Result]:
    """Pass the results on and keep a line on stderr up to date."""
    step, begin, end = (1, "\r", "") if sys.stderr.isatty() else (25, "", "\n")
    shown = -step
    for result in results:
        percent = 100 * done.value // expected
        if percent >= shown + step:
            shown = percent
            line = f"{begin}{done.value:5} of {expected} files, {percent:3} %"
            print(line, end=end, file=sys.stderr, flush=True)
        yield result
    print(f"{begin}{done.value:5} of {expected} files, done ", file=sys.stderr)


def add_up(results: Iterator[Result]) -> Result:
    """Add all counters and all arrays."""
    names: Counter[str] = Counter()
    totals = array("Q", [0] * len(FIELDS))
    for more_names, more_totals in results:
        names.update(more_names)
        for field, number in enumerate(more_totals):
            totals[field] += number
    return names, totals


def report(names: Counter[str], totals: array[int]) -> None:
    """Print the commonest names, equal counts in alphabetical order, and the totals."""
    commonest = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    for name, count in commonest:
        print(f"{count:8} {name}")
    print(", ".join(f"{total} {field}" for field, total in zip(FIELDS, totals, strict=True)))
    print(f"{len(names)} different names")


def main() -> None:
    """Index the standard library of this interpreter."""
    parser = argparse.ArgumentParser(description="Count the names used in the standard library.")
    methods = multiprocessing.get_all_start_methods()
    parser.add_argument("--start", choices=methods, help="the start method (default: the usual)")
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--limit", type=int, help="index only so many files")
    options = parser.parse_args()

    began = time.perf_counter()
    files = source_files(options.limit)
    context = multiprocessing.get_context(options.start)
    names, totals = index_all(context, files, options.workers)
    report(names, totals)
    print(f"{time.perf_counter() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
