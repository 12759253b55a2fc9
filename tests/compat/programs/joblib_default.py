"""joblib with its default backend, which is loky."""

import joblib


def square(number):
    return number * number


if __name__ == "__main__":
    print(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(n) for n in range(4)))
