"""joblib with its multiprocessing backend."""

import sys
import tempfile
import warnings

import joblib
import numpy as np


def norm(row):
    return float(np.linalg.norm(row))


def total(rows, totals, number):
    totals[number] = rows[number].sum()
    return type(rows).__name__, type(totals).__name__


def fail(number):
    if number == 3:
        raise ValueError(f"no {number}")
    return number


def main():
    rows = np.arange(200_000, dtype=float).reshape(8, -1)
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        print(joblib.Parallel()(joblib.delayed(pow)(n, 2) for n in range(20)))
        print(joblib.Parallel(batch_size=1)(joblib.delayed(norm)(row) for row in rows))
        try:
            joblib.Parallel()(joblib.delayed(fail)(n) for n in range(6))
        except ValueError as error:
            print("error:", error)
        # Large arrays are mapped by the workers; what they write to one of the caller's is there.
        with tempfile.TemporaryDirectory() as folder:
            large = np.ones((4, 300_000))
            totals = np.memmap(f"{folder}/totals", dtype=float, shape=4, mode="w+")
            print(joblib.Parallel()(joblib.delayed(total)(large, totals, n) for n in range(4)))
            print(totals.tolist())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    import multiprocessing

    multiprocessing.set_start_method(sys.argv[1])
    main()
