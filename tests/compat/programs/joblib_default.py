"""joblib with its default backend, loky, whose workers need no main module: it has no guard."""

import os
import signal
import tempfile

import joblib
import numpy as np
from joblib.externals import loky


def square(number):
    return number * number


def fail(number):
    raise ValueError(f"no {number}")


def total(data, totals, row):
    totals[row] = data[row].sum()
    return type(data).__name__, type(totals).__name__


def nested(number):
    return joblib.Parallel(n_jobs=2)(joblib.delayed(square)(n) for n in range(number))


def variable(name):
    return os.environ.get(name)


class Counter:
    def __init__(self, start):
        self.start = start


print(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(n) for n in range(20)))
print(joblib.Parallel(n_jobs=2)(joblib.delayed(lambda n: n + 1)(n) for n in range(4)))
print(joblib.Parallel(n_jobs=2)(joblib.delayed(nested)(n) for n in range(3)))
(counter,) = joblib.Parallel(n_jobs=2)([joblib.delayed(Counter)(7)])
print(type(counter) is Counter, counter.start)
try:
    joblib.Parallel(n_jobs=2)(joblib.delayed(fail)(n) for n in [3])
except ValueError as error:
    print("error:", error)
print(joblib.Parallel(n_jobs=2)(joblib.delayed(variable)("OMP_NUM_THREADS") for _ in range(2)))

# Large arrays lie in files that the workers map; what they write to one of the caller's is there.
with tempfile.TemporaryDirectory() as folder:
    data = np.ones((4, 300_000))
    totals = np.memmap(os.path.join(folder, "totals"), dtype=float, shape=4, mode="w+")
    print(joblib.Parallel(n_jobs=2)(joblib.delayed(total)(data, totals, row) for row in range(4)))
    print(totals.tolist())

executor = loky.get_reusable_executor(max_workers=2, timeout=60)
print(list(executor.map(square, range(5))))
try:
    executor.submit(os.kill, executor.submit(os.getpid).result(), signal.SIGKILL).result()
except loky.process_executor.TerminatedWorkerError:
    print("a worker was lost")
print(list(loky.get_reusable_executor(max_workers=2).map(square, range(5))))
with loky.ProcessPoolExecutor(1, initializer=print, initargs=("begun",)) as other:
    print(other.submit(pow, 2, 10).result())
