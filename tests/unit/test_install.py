"""The stand-in: an import of the standard package gives this one, in every process of a program."""

import pytest

from procession.queues import SimpleQueue
from tests.support import Outcome, run_python

# A program's fork server ends after the program: its end is collected here.
pytestmark = [pytest.mark.bare, pytest.mark.orphans]

needs_readers = pytest.mark.skipif(
    not hasattr(SimpleQueue, "_reader"),
    reason="executors of the standard library wait on a queue's descriptor",
)

METHODS = ("fork", "spawn", "forkserver")


def succeeds(code: str, *args: str, **more: object) -> Outcome:
    """Run a program that must end well; return its outcome."""
    outcome = run_python(code, *args, **more)
    assert outcome.exitcode == 0, outcome.stderr
    return outcome


# ----------------------------------------------------------------------------- imports afterwards


@pytest.mark.parametrize(
    "statement",
    [
        "import multiprocessing as it",
        "import multiprocessing.queues as it",
        "import multiprocessing.connection as it",
        "from multiprocessing import synchronize as it",
        "import importlib; it = importlib.import_module('multiprocessing.util')",
        "import multiprocessing.queues; it = multiprocessing.queues",
    ],
)
def test_every_form_of_import_gives_our_very_module(statement: str) -> None:
    """The same object under both names: a patch of one is seen by the other."""
    succeeds(
        f"""
        import procession, sys
        procession.install()
        {statement}
        own = sys.modules[it.__name__]
        assert it is own and it.__name__.startswith("procession"), it
        assert it.__spec__.name == it.__name__
        import importlib
        standard = it.__name__.replace("procession", "multiprocessing")
        assert importlib.import_module(standard) is own
        """
    )


def test_names_imported_from_it_are_ours() -> None:
    """Functions and classes, from the package and from its parts."""
    succeeds(
        """
        import procession
        procession.install()
        from multiprocessing import Process, Queue, TimeoutError
        from multiprocessing.context import BaseContext
        import procession.context
        assert Process is procession.Process and Queue == procession.Queue
        assert TimeoutError is procession.TimeoutError
        assert BaseContext is procession.context.BaseContext
        """
    )


def test_a_module_that_does_not_exist_is_reported_under_the_name_asked_for() -> None:
    """As the standard package would report it."""
    succeeds(
        """
        import procession
        procession.install()
        try:
            import multiprocessing.nothing_of_that_name
        except ModuleNotFoundError as error:
            assert error.name == "multiprocessing.nothing_of_that_name", error.name
        else:
            raise AssertionError
        """
    )


def test_a_module_is_loaded_when_it_is_imported_not_when_it_is_looked_for() -> None:
    """Programs ask find_spec whether a module exists."""
    succeeds(
        """
        import importlib.util, sys
        import procession
        procession.install()
        assert importlib.util.find_spec("multiprocessing.pool") is not None
        assert importlib.util.find_spec("multiprocessing.no_pool") is None
        assert "procession.pool" not in sys.modules
        """
    )


def test_pickled_references_to_the_standard_package_are_resolved_to_ours() -> None:
    """A pickle made by a program under the standard package can be read."""
    succeeds(
        """
        import pickle
        import procession
        procession.install()
        pickled = b"cmultiprocessing.context\\nBufferTooShort\\n."
        assert pickle.loads(pickled) is procession.BufferTooShort
        """
    )


def test_installing_twice_is_installing_once() -> None:
    """The second call changes nothing, one uninstall takes both back."""
    succeeds(
        """
        import sys
        import procession
        before = list(sys.meta_path)
        procession.install(); procession.install()
        assert len(sys.meta_path) == len(before) + 1
        from procession._patching.install import uninstall
        uninstall(); uninstall()
        assert sys.meta_path == before
        """
    )


def test_after_uninstall_an_import_gives_the_standard_package() -> None:
    """Whether it had been imported before or not."""
    succeeds(
        """
        import procession
        from procession._patching.install import uninstall
        procession.install()
        import multiprocessing.queues
        assert multiprocessing is procession
        uninstall()
        import multiprocessing.queues
        assert multiprocessing.__name__ == "multiprocessing"
        assert multiprocessing.queues.__name__ == "multiprocessing.queues"
        """
    )


def test_another_stand_in_for_the_same_package_is_no_hindrance() -> None:
    """A test harness may have put its own alias in place: both give the same modules."""
    succeeds(
        """
        import importlib, importlib.machinery, sys

        class Alias:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name.partition(".")[0] != "multiprocessing":
                    return None
                ours = importlib.import_module(name.replace("multiprocessing", "procession"))
                return importlib.machinery.ModuleSpec(name, Loader(ours))

        class Loader:
            def __init__(self, module): self.module = module
            def create_module(self, spec): return None
            def exec_module(self, module): sys.modules[module.__spec__.name] = self.module

        sys.meta_path.insert(0, Alias)
        import multiprocessing.queues
        import procession
        assert multiprocessing is procession
        procession.install()
        import multiprocessing.synchronize
        assert multiprocessing.synchronize is procession.synchronize
        assert multiprocessing.queues is procession.queues
        """,
        options=("-W", "error"),
    )


# -------------------------------------------------------------------------------- imports before


def test_what_was_imported_before_is_moved_over() -> None:
    """Modules, functions and classes in the name spaces of other modules."""
    succeeds(
        """
        import multiprocessing, multiprocessing.queues as mq
        from multiprocessing import Process, cpu_count
        from multiprocessing.queues import Empty, SimpleQueue
        import procession, procession.queues
        procession.install()
        assert multiprocessing is procession and mq is procession.queues
        assert Process is procession.Process and cpu_count == procession.cpu_count
        assert SimpleQueue is procession.queues.SimpleQueue
        """,
        options=("-W", "error"),
    )


def test_uninstall_moves_them_back() -> None:
    """To the very objects they were."""
    succeeds(
        """
        import multiprocessing
        from multiprocessing import Process
        before = multiprocessing, Process
        from procession._patching.install import install, uninstall
        install()
        uninstall()
        import sys
        assert (multiprocessing, Process) == before
        assert sys.modules["multiprocessing"] is multiprocessing
        """,
        options=("-W", "error"),
    )


@needs_readers
def test_executors_imported_before_are_made_anew() -> None:
    """The one module of the standard library that derives from the standard package's classes."""
    outcome = succeeds(
        """
        from concurrent.futures import ProcessPoolExecutor
        import concurrent.futures
        import procession, procession.queues

        def name(): return procession.current_process().name

        if __name__ == "__main__":
            procession.install()
            assert ProcessPoolExecutor is concurrent.futures.ProcessPoolExecutor
            module = concurrent.futures.process
            assert issubclass(module._SafeQueue, procession.queues.Queue)
            with ProcessPoolExecutor(1) as executor:
                print(executor.submit(name).result())
        """,
        options=("-W", "error"),
    )
    assert outcome.stdout.startswith("ForkProcess-") or outcome.stdout.startswith("Process-")


def test_what_cannot_be_moved_is_named_and_left_whole() -> None:
    """A derived class and an object made before stay what they are, with all their module has."""
    outcome = succeeds(
        """
        import multiprocessing
        from multiprocessing import Process

        class Worker(Process): pass
        lock = multiprocessing.Lock()

        import procession
        procession.install()
        assert multiprocessing is not procession and Process is not procession.Process
        """
    )
    assert "RuntimeWarning: procession.install() came after" in outcome.stderr
    assert "__main__ (Process, Worker, lock, multiprocessing)" in outcome.stderr


# -------------------------------------------------------------------------------------- children


PROGRAM = """
import sys
import procession
procession.install()
import multiprocessing
from multiprocessing.connection import Connection

{before}

def child(queue, depth):
    import logging, multiprocessing.pool
    record = logging.LogRecord("", 0, "", 0, "", (), None)
    queue.put((depth, multiprocessing.__name__, multiprocessing.pool.__name__,
               Connection.__module__.partition(".")[0],
               record.processName == multiprocessing.current_process().name))
    if depth:
        process = multiprocessing.Process(target=child, args=(queue, depth - 1))
        process.start()
        process.join()
        assert process.exitcode == 0

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=child, args=(queue, 2))
    process.start()
    process.join()
    assert process.exitcode == 0
    for _ in range(3):
        print(*queue.get(timeout=20))
"""
EXPECTED = "".join(f"{depth} procession procession.pool procession True\n" for depth in (2, 1, 0))


@pytest.mark.parametrize("method", METHODS)
def test_children_and_their_children_have_it_too(method: str) -> None:
    """Whatever their start method."""
    assert succeeds(PROGRAM.format(before=""), method).stdout == EXPECTED


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_have_it_before_they_import_the_main_module(method: str) -> None:
    """Not only because the main module installs it."""
    outcome = succeeds(
        """
        import sys
        if __name__ == "__main__":
            import procession
            procession.install()
        import multiprocessing
        found_at_import = multiprocessing.__name__

        def child(): print(found_at_import)

        if __name__ == "__main__":
            process = multiprocessing.get_context(sys.argv[1]).Process(target=child)
            process.start()
            process.join()
        """,
        method,
    )
    assert outcome.stdout == "procession\n"


@pytest.mark.parametrize("method", METHODS)
def test_an_emptied_environment_does_not_lose_it(method: str) -> None:
    """It is not told by the environment."""
    before = "import os\nos.environ.clear()"
    assert succeeds(PROGRAM.format(before=before), method).stdout == EXPECTED


@pytest.mark.parametrize("method", METHODS)
def test_children_do_not_have_it_after_uninstall(method: str) -> None:
    """The flag that children are told goes with it."""
    outcome = succeeds(
        """
        import sys
        import procession
        from procession._patching.install import install, uninstall

        def child():
            import multiprocessing
            print(multiprocessing.__name__)

        if __name__ == "__main__":
            install()
            uninstall()
            process = procession.get_context(sys.argv[1]).Process(target=child)
            process.start()
            process.join()
        """,
        method,
    )
    assert outcome.stdout == "multiprocessing\n"


@needs_readers
@pytest.mark.parametrize("method", METHODS)
def test_an_executor_of_the_standard_library_runs_on_our_processes(method: str) -> None:
    """Results, exceptions with their remote traceback, and a worker that is killed."""
    outcome = succeeds(
        """
        import os, signal, sys
        import procession
        procession.install()
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, process

        def name(): return type(multiprocessing.current_process()).__module__
        def fail(): return 1 / 0
        def die(): os.kill(os.getpid(), signal.SIGKILL)

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            with ProcessPoolExecutor(2, context) as executor:
                print(executor.submit(name).result(20).partition(".")[0])
                print(sum(executor.map(abs, range(-100, 0))))
                print("in fail" in str(executor.submit(fail).exception(20).__cause__))
                print(type(executor.submit(die).exception(20)) is process.BrokenProcessPool)
        """,
        method,
    )
    assert outcome.stdout.split() == ["procession", "5050", "True", "True"]
