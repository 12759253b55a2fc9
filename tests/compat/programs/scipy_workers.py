"""scipy: workers= of an optimizer, as a number and as the map of a pool."""

import multiprocessing
import sys

import numpy as np
from scipy.optimize import brute, differential_evolution, rosen

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    options = {"seed": 1, "maxiter": 5, "updating": "deferred", "polish": False}
    found = differential_evolution(rosen, [(-2, 2)] * 2, workers=2, **options)
    print(found.x.tolist(), found.nfev)
    with multiprocessing.Pool(2) as pool:
        found = differential_evolution(rosen, [(-2, 2)] * 2, workers=pool.map, **options)
    print(found.x.tolist(), found.nfev)
    print(np.round(brute(rosen, [(-2, 2)] * 2, Ns=5, workers=2, finish=None), 9).tolist())
