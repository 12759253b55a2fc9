"""A program for loky."""

from loky import get_reusable_executor


def main():
    """Call functions that plain pickle refuses."""
    factor = 3
    executor = get_reusable_executor(max_workers=2)
    print("one call:", executor.submit(lambda number: number * factor, 7).result())
    print("a map:", list(executor.map(lambda number: number - factor, range(4))))
    executor.shutdown()


if __name__ == "__main__":
    main()
