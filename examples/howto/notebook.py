# Cells of a notebook, or lines typed at a prompt: there is no file that a child could import.
import procession

context = procession.get_context("spawn")
factor = 3


def scaled(number):
    return number * factor


with context.Pool(2) as pool:
    print(pool.map(scaled, range(4)))
    print(pool.map(lambda number: number - factor, range(4)))
