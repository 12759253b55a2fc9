"""The same program for Procession."""

from procession.futures import ProcessPoolExecutor


def main():
    """Call functions that plain pickle refuses."""
    factor = 3
    executor = ProcessPoolExecutor(max_workers=2)
    print("one call:", executor.submit(lambda number: number * factor, 7).result())
    print("a map:", list(executor.map(lambda number: number - factor, range(4))))
    executor.shutdown()


if __name__ == "__main__":
    main()
