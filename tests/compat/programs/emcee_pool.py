"""emcee: a sampler with a pool."""

import multiprocessing
import sys

import emcee
import numpy as np


def log_probability(position):
    return -0.5 * float(np.sum(position**2))


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    start = np.random.default_rng(0).normal(size=(8, 2))
    with multiprocessing.Pool(2) as pool:
        sampler = emcee.EnsembleSampler(8, 2, log_probability, pool=pool)
        sampler.random_state = np.random.RandomState(1).get_state()
        state = sampler.run_mcmc(start, 20)
    print(state.coords.tolist())
