"""loky and joblib, fitted to this package: shown on modules made like theirs in what matters.

The libraries themselves: ``compat/test_libraries.py``.
"""

from pathlib import Path

import pytest

from procession._patching import hook, joblib, loky
from tests.support import run_python

# The fork server of a program ends after it: its end is collected here.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

LOKY = {
    "__init__": """
        import multiprocessing.context
        from . import process

        class Context(multiprocessing.context.BaseContext):
            _name = "loky"
            Process = process.LokyProcess

        multiprocessing.context._concrete_contexts["loky"] = Context()
        """,
    "process": """
        from multiprocessing.process import BaseProcess

        class LokyProcess(BaseProcess):
            _start_method = "loky"

            def __init__(self, target=None, args=(), init_main_module=False, env=None):
                super().__init__(target=target, args=args)
                self.env = env or {}
                self.init_main_module = init_main_module

            @staticmethod
            def _Popen(process_obj):
                raise NotImplementedError("a command line of its own")
        """,
    "queues": """
        from multiprocessing import queues

        from .reduction import dumps

        class Queue(queues.Queue):
            def __init__(self, maxsize=0, reducers=None, ctx=None):
                super().__init__(maxsize, ctx=ctx)
                self._reducers = reducers

            def __getstate__(self):
                return self._buffer, self._reducers

        class SimpleQueue(queues.SimpleQueue):
            def __init__(self, reducers=None, ctx=None):
                super().__init__(ctx=ctx)
                self._reducers = reducers

            def __getstate__(self):
                return self._buffer, self._reducers
        """,
    "reduction": """
        import io
        import cloudpickle

        class Pickler(cloudpickle.Pickler):
            def __init__(self, file, reducers):
                self.dispatch_table = {**cloudpickle.Pickler.dispatch_table, **reducers}
                super().__init__(file)

        def dumps(obj, reducers=None):
            file = io.BytesIO()
            Pickler(file, reducers or {}).dump(obj)
            return file.getbuffer()
        """,
    "resource_tracker": """
        import os

        class Tracker:
            _fd = None

            def ensure_running(self):
                if self._fd is None:
                    self.reader, self._fd = os.pipe()

        _resource_tracker = Tracker()
        """,
}

JOBLIB_POOL = """
    import copyreg
    import pickle
    from multiprocessing.pool import Pool

    class CustomizablePickler(pickle.Pickler):
        def __init__(self, file, reducers):
            super().__init__(file, protocol=-1)
            self.dispatch_table = {**copyreg.dispatch_table, **reducers}

    class PicklingPool(Pool):
        def __init__(self, processes, forward_reducers, backward_reducers):
            self._forward_reducers = forward_reducers
            self._backward_reducers = backward_reducers
            super().__init__(processes)
    """

BEGINNING = """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    import procession
    procession.install()
    import multiprocessing
    """


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The path of a folder in which there are a ``loky`` and a ``joblib``."""
    write(tmp_path / "loky", {"__init__": ""})
    write(tmp_path / "loky" / "backend", LOKY)
    write(tmp_path / "joblib", {"__init__": "", "pool": JOBLIB_POOL})
    return str(tmp_path)


def write(folder: Path, modules: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in modules.items():
        lines = text.strip("\n").split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip())
        text = "\n".join(line[indent:] for line in lines)
        (folder / f"{name}.py").write_text(text.rstrip() + "\n")


def prints(folder: str, code: str, beginning: str = BEGINNING) -> str:
    """Run a program that must end well; what it prints."""
    outcome = run_python(unindented(beginning) + unindented(code), folder)
    assert outcome.exitcode == 0, outcome.stderr
    return outcome.stdout


def unindented(code: str) -> str:
    lines = code.strip("\n").split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines) + "\n"


def test_each_module_has_its_change() -> None:
    changes = {"loky": loky.CHANGES, "joblib": joblib.CHANGES}
    assert {name: file for file in changes for name in changes[file]} == hook.FITTED


def test_a_process_of_loky_is_a_member_of_the_family(folder: str) -> None:
    """It has this package in the place of the standard one, and the parent's queue."""
    code = """
        from loky.backend.process import LokyProcess

        def answer(queue):
            import multiprocessing
            queue.put((multiprocessing.__name__, multiprocessing.parent_process().pid))

        queue = multiprocessing.Queue()
        process = LokyProcess(target=answer, args=(queue,))
        process.start()
        name, parent = queue.get(timeout=30)
        process.join()
        print(name, parent == os.getpid(), process.exitcode)
        """
    assert prints(folder, code) == "procession True 0\n"


def test_a_process_of_loky_runs_the_main_module_only_if_told(folder: str) -> None:
    """This program shows which processes run it."""
    code = """
        print("main", __name__, flush=True)
        if __name__ == "__main__":
            from loky.backend.process import LokyProcess
            for wanted in (False, True):
                process = LokyProcess(target=int, init_main_module=wanted)
                process.start()
                process.join()
                print(process.exitcode, flush=True)
        """
    assert prints(folder, code).split() == ["main", "__main__", "0", "main", "__mp_main__", "0"]


def test_a_process_of_loky_has_its_environment_and_its_tracker(folder: str) -> None:
    """The environment of the parent is as before."""
    code = """
        from loky.backend.process import LokyProcess
        from loky.backend.resource_tracker import _resource_tracker

        def tell():
            from loky.backend.resource_tracker import _resource_tracker
            os.write(_resource_tracker._fd, os.environ["OF_LOKY"].encode())

        process = LokyProcess(target=tell, env={"OF_LOKY": 5})
        process.start()
        print(os.read(_resource_tracker.reader, 10).decode(), os.environ.get("OF_LOKY"))
        process.join()
        """
    assert prints(folder, code) == "5 None\n"


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_queues_of_loky_pickle_with_their_reducers(folder: str, kind: str) -> None:
    """In the process that made them, and in its children."""
    code = f"""
        from loky.backend.process import LokyProcess
        from loky.backend.queues import {kind}

        def double(number):
            return float, (2 * number.real,)

        def send(queue):
            queue.put([1j + 4])

        queue = {kind}(reducers={{complex: double}})
        queue.put([1j + 2, lambda: None])
        print(queue.get()[0])
        process = LokyProcess(target=send, args=(queue,))
        process.start()
        print(queue.get())
        process.join()
        queue.close()
        """
    assert prints(folder, code) == "4.0\n[8.0]\n"


def test_what_a_queue_of_loky_carries_is_held_on_its_way(folder: str) -> None:
    """A shared object that its sender has let go of meanwhile."""
    code = """
        import loky.backend
        from loky.backend.queues import Queue
        queue, inner = Queue(), multiprocessing.Queue()
        inner.put("kept")
        queue.put({"inner": inner})
        del inner
        print(queue.get()["inner"].get())
        """
    assert prints(folder, code) == "kept\n"


CALLS = {
    "apply": "[pool.apply(work, (1j + 2,))]",
    "apply_async": "[pool.apply_async(work, (), {'number': 1j + 2}).get()]",
    "map": "pool.map(work, [1j + 2])",
    "map_async": "pool.map_async(work, [1j + 2]).get()",
    "starmap": "pool.starmap(work, [(1j + 2,)])",
    "starmap_async": "pool.starmap_async(work, [(1j + 2,)]).get()",
    "imap": "list(pool.imap(work, [1j + 2]))",
    "imap_unordered": "list(pool.imap_unordered(work, [1j + 2]))",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_pools_of_joblib_pickle_with_their_reducers(folder: str, call: str) -> None:
    """Arguments on their way there, results on their way back."""
    code = f"""
        from joblib.pool import PicklingPool

        def forth(number):
            return float, (2 * number.real,)

        def back(number):
            return str, (f"back with {{number}}",)

        class Result(float):
            pass

        def work(number):
            return Result(number)

        if __name__ == "__main__":
            with PicklingPool(1, {{complex: forth}}, {{Result: back}}) as pool:
                print({call})
        """
    assert prints(folder, code) == "['back with 4.0']\n"


def test_a_pool_of_joblib_takes_what_pickle_refuses(folder: str) -> None:
    """As every pool here."""
    code = """
        import joblib.pool, loky.backend.reduction
        sys.modules["joblib.externals.loky.backend.reduction"] = loky.backend.reduction
        with joblib.pool.PicklingPool(1, {}, {}) as pool:
            print(pool.apply(lambda number: number + 1, (1,)))
        """
    assert prints(folder, code) == "2\n"


def test_another_loky_is_left_alone(folder: str) -> None:
    """A version in which something has another name; a program without `install`."""
    queues = Path(folder, "loky", "backend", "queues.py")
    queues.write_text(queues.read_text().replace("class SimpleQueue", "class PlainQueue"))
    code = """
        import multiprocessing.queues
        from loky.backend.queues import Queue
        print("put" in vars(Queue))
        """
    assert prints(folder, code) == "False\n"
    queues.write_text(queues.read_text().replace("class PlainQueue", "class SimpleQueue"))
    without = BEGINNING.replace("procession.install()", "")
    assert prints(folder, code, without) == "False\n"
