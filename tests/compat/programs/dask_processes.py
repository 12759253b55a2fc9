"""dask's multiprocessing scheduler."""

import sys

import dask
import dask.bag
import dask.multiprocessing


def is_even(number):
    return number % 2 == 0


def main():
    bag = dask.bag.from_sequence(range(1000), npartitions=4)
    print(bag.filter(is_even).map(lambda n: n * 3).sum().compute())
    values = [dask.delayed(pow)(n, 2) for n in range(6)]
    print(dask.compute(*values))
    try:
        dask.delayed(int)("no number").compute()
    except ValueError as error:
        print("error:", str(error).splitlines()[0])


if __name__ == "__main__":
    with dask.config.set(
        {
            "scheduler": "processes",
            "num_workers": 2,
            "multiprocessing.context": sys.argv[1],
        }
    ):
        main()
