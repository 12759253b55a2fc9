"""What a child finds in a module's variable, under each start method: ``python inherit.py``."""

import procession

color = "red"


def show(method):
    """Print the variable as this process sees it."""
    print(f"{method}: {color}", flush=True)


if __name__ == "__main__":
    color = "blue"  # after the module was loaded, in this process only
    for method in ("fork", "spawn", "forkserver"):
        context = procession.get_context(method)
        process = context.Process(target=show, args=(method,))
        process.start()
        process.join()
