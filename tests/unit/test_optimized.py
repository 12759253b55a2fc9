"""Errors of the user under ``python -O``: each one is raised there too.

Idea: ``-O`` removes assert statements. The standard package checks some arguments by them, so those
errors vanish there, and programs then go on with a wrong state. Here every check is an `if` that
raises; where the contract names AssertionError, it raises that.

The table has the error cases of all packages, one subject for each. Each subject is run in a fresh
interpreter with ``-O``. A second test reads the sources: an assert statement that is left states
what holds by the code around it, and has a reason in a list.
"""

import ast
import json
from typing import Any

import pytest

from tests.support import run_python
from tests.support.structure import ROOT, Tree

# Subject -> code that is run first; cases: code, the exception's type, words of its message.
CASES: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "process": (
        """
        context = procession.get_context("fork")
        process = context.Process(target=int)
        elsewhere = context.Process(target=int)

        def in_child(call):
            child = context.Process(target=call)
            child.start()
            child.result()
        """,
        (
            ("context.Process(5)", "AssertionError", "group argument must be None"),
            ("process.name = 5", "AssertionError", "name must be a string"),
            ("process.join()", "AssertionError", "can only join a started process"),
            ("process.sentinel", "ValueError", "process not started"),
            ("process.terminate()", "AttributeError", "has not been started"),
            ("in_child(process.start)", "AssertionError", "created by current process"),
            ("process.start(); process.start()", "AssertionError", "cannot start a process twice"),
            ("process.daemon = True", "AssertionError", "process has already started"),
            ("in_child(process.join)", "AssertionError", "can only join a child process"),
            ("in_child(process.is_alive)", "AssertionError", "can only test a child process"),
            ("process.join(); process.close(); process.pid", "ValueError", "object is closed"),
            ("in_child(lambda: 1 // 0)", "ZeroDivisionError", "division"),
            ("pickle.dumps(procession.current_process().authkey)", "TypeError", "security"),
        ),
    ),
    "spawn, util": (
        "from procession import context, spawn, util",
        (
            ("spawn.spawn_main(0, 0, 0, 0)", "AssertionError", "Not forking"),
            ("util.close_all_fds_except([10 ** 9])", "AssertionError", "fd too large"),
            ("util.Finalize(None, int)", "ValueError", "exitpriority cannot be None"),
            ("util.Finalize(None, int, exitpriority='1')", "TypeError", "must be None or an int"),
            ("util.is_abstract_socket_namespace(5)", "TypeError", "address type of 5"),
            ("context.assert_spawning(5)", "RuntimeError", "through inheritance"),
        ),
    ),
    "context": (
        "spawn = procession.get_context('spawn')",
        (
            ("procession.get_context('no')", "ValueError", "cannot find context for 'no'"),
            ("spawn.set_start_method('fork')", "ValueError", "of concrete context"),
            ("procession.set_start_method('no')", "ValueError", "cannot find context"),
            (
                "procession.set_start_method('fork'); procession.set_start_method('fork')",
                "RuntimeError",
                "context has already been set",
            ),
            ("spawn.set_forkserver_preload([5])", "TypeError", "must be a list of strings"),
            ("spawn.set_forkserver_preload([], on_error='no')", "ValueError", "'ignore', 'warn'"),
            ("import procession.no", "ModuleNotFoundError", "no"),
        ),
    ),
    "queues": (
        """
        import queue
        from procession import queues
        box, small, simple = procession.Queue(), procession.Queue(1), procession.SimpleQueue()
        small.put(1)
        closed = procession.Queue()
        closed.close()
        joinable = procession.JoinableQueue()
        shut = queues.Queue(ctx=procession.get_context())
        shut.shutdown()
        """,
        (
            ("box.join_thread()", "AssertionError", "not closed"),
            ("box.get_nowait()", "Empty", ""),
            ("box.get(timeout=0.01)", "Empty", ""),
            ("box.get(timeout=float('nan'))", "ValueError", "NaN"),
            ("small.put_nowait(2)", "Full", ""),
            ("closed.put(1)", "ValueError", "is closed"),
            ("closed.get()", "ValueError", "is closed"),
            ("joinable.task_done()", "ValueError", "task_done() called too many times"),
            ("shut.put(1)", "ShutDown", ""),
            ("box.put(procession.current_process().authkey)", "TypeError", "security"),
            ("simple.close(); simple.put(1)", "ValueError", "is closed"),
        ),
    ),
    "sharedctypes": (
        "from procession.sharedctypes import synchronized",
        (
            ("synchronized(procession.Value('i'))", "AssertionError", "object already synchron"),
            ("procession.Value('z')", "TypeError", "typecode"),
            ("procession.Value('i', 1, lock='no')", "AttributeError", "acquire"),
            ("procession.Array('i', 3)[3]", "IndexError", ""),
            ("procession.Value('d').add(1)", "TypeError", "for integers"),
        ),
    ),
    "synchronize": (
        """
        lock, recursive = procession.Lock(), procession.RLock()
        condition = procession.Condition()
        bounded = procession.BoundedSemaphore(1)
        """,
        (
            ("lock.release()", "ValueError", "released too many times"),
            ("recursive.release()", "AssertionError", "not owned"),
            ("condition.wait()", "AssertionError", "acquire"),
            ("condition.notify()", "AssertionError", "lock is not owned"),
            ("bounded.release()", "ValueError", "released too many times"),
            ("procession.Semaphore(-1)", "ValueError", ""),
            ("procession.Barrier(0)", "ValueError", ""),
            ("procession.Lock(on_owner_death='no')", "ValueError", "on_owner_death"),
        ),
    ),
    "connection": (
        """
        from procession.connection import Client, Listener, wait, answer_challenge
        reader, writer = procession.Pipe(duplex=False)
        closed = procession.Pipe()[0]
        closed.close()
        """,
        (
            ("reader.send(1)", "OSError", "read-only"),
            ("writer.recv()", "OSError", "write-only"),
            ("closed.send(1)", "OSError", "handle is closed"),
            ("reader.recv_bytes(-1)", "ValueError", "negative maxlength"),
            ("writer.send_bytes(b'abc', 5)", "ValueError", "buffer length < offset"),
            ("writer.send_bytes(b'abc', -1)", "ValueError", "offset is negative"),
            ("writer.send_bytes(b'12345'); reader.recv_bytes(3)", "OSError", "bad message length"),
            ("wait([5, 5])", "KeyError", "5"),
            ("Listener(family='no')", "ValueError", "no"),
            ("Client('/none', 'AF_UNIX', b'key' )", "FileNotFoundError", ""),
            ("Listener(authkey='text')", "TypeError", "authkey should be a byte string"),
            ("answer_challenge(reader, 'text')", "ValueError", "must be bytes"),
        ),
    ),
    "managers": (
        """
        from procession.managers import BaseManager, SharedMemoryManager, SyncManager
        manager = SyncManager()
        """,
        (
            ("manager.list()", "AssertionError", "server not yet started"),
            ("manager.start(initializer=5)", "TypeError", "must be a callable"),
            ("BaseManager(serializer='no')", "KeyError", "no"),
            ("SharedMemoryManager().SharedMemory(5)", "ValueError", "not been started"),
            (
                "manager.start(); manager.start()",
                "ProcessError",
                "Already started server",
            ),
            ("manager.dict()['absent']", "KeyError", "absent"),
            ("manager.list()._callmethod('no')", "RemoteError", "not in exposed"),
            ("manager.shutdown(); manager.get_server()", "ProcessError", "shut down"),
        ),
    ),
    "pool": (
        """
        context = procession.get_context("fork")
        pool = context.Pool(1)
        """,
        (
            ("context.Pool(0)", "ValueError", "at least 1"),
            ("context.Pool(1, initializer=5)", "TypeError", "must be a callable"),
            ("context.Pool(1, maxtasksperchild=0)", "ValueError", "positive int or None"),
            ("pool.apply(divmod, (1, 0))", "ZeroDivisionError", ""),
            ("pool.imap(int, [], chunksize=0)", "ValueError", "Chunksize must be 1+"),
            (
                "pool.apply_async(__import__('time').sleep, (9,)).successful()",
                "ValueError",
                "ready",
            ),
            ("pickle.dumps(pool)", "NotImplementedError", "cannot be passed between processes"),
            ("pool.join()", "ValueError", "still running"),
            ("pool.terminate(); pool.apply(int)", "ValueError", "Pool not running"),
        ),
    ),
    "shared memory": (
        """
        from procession.shared_memory import ShareableList, SharedMemory
        from procession import shared
        shared_list = ShareableList([1, "ab"])
        """,
        (
            ("SharedMemory(create=True, size=0)", "ValueError", "positive number"),
            ("SharedMemory(size=-1)", "ValueError", "positive"),
            ("SharedMemory('/no/such')", "OSError", ""),
            ("shared_list[2]", "IndexError", "out of range"),
            ("shared_list[1] = 'much longer than before'", "ValueError", "exceed"),
            ("shared_list.shm.unlink(); shared_list.index(7)", "ValueError", "not in"),
            ("shared.Dict()['absent']", "KeyError", "absent"),
            ("shared.List()[0]", "IndexError", ""),
        ),
    ),
    "futures, dummy": (
        """
        from procession import dummy, futures
        executor = futures.ProcessPoolExecutor(1)
        executor.shutdown()
        """,
        (
            ("executor.submit(int)", "RuntimeError", "after shutdown"),
            ("futures.ProcessPoolExecutor(0)", "ValueError", "greater than 0"),
            ("dummy.Pool(0)", "ValueError", "at least 1"),
        ),
    ),
}

RUNS_THE_CASES = """
import json, pickle, sys, textwrap, time
import procession

if __name__ == "__main__":
    setup, cases = json.loads(sys.argv[1])
    exec(textwrap.dedent(setup), globals())
    found = {}
    for code in cases:
        try:
            exec(code, globals())
        except BaseException as error:
            bases = [each.__name__ for each in type(error).__mro__]
            found[code] = [bases, str(error)]
        else:
            found[code] = [[], "nothing was raised"]
    print(json.dumps(found))
"""


@pytest.mark.bare
@pytest.mark.orphans
@pytest.mark.parametrize("options", [("-O",), ()], ids=["optimized", "not"])
@pytest.mark.parametrize("subject", CASES)
def test_errors_are_raised_with_asserts_on_and_off(subject: str, options: tuple[str, ...]) -> None:
    """With the same type and the same words."""
    setup, cases = CASES[subject]
    given = json.dumps([setup, [code for code, _, _ in cases]])

    outcome = run_python(RUNS_THE_CASES, given, options=options)

    assert outcome.exitcode == 0, outcome.stderr
    found: dict[str, Any] = json.loads(outcome.stdout)
    wrong = [
        f"{code}: {found[code]} and not {error}: {words}"
        for code, error, words in cases
        if error not in found[code][0] or words not in found[code][1]
    ]
    assert not wrong, "\n".join(wrong)


# Module -> why the condition of its assert statement holds whatever a user does. Such a statement
# tells the type checker what it cannot see.
INTERNAL = {
    "__main__": "the loader of a file without source always returns code",
    "_base.runtime": "the process package sets the object when it is imported",
    "connection._async": "the connection exists while a method of it runs",
    "pool._dispatcher": "it is said of the exception that is being handled",
    "pool._imap_input": "the pool starts each input once, when it makes it",
    "pool._worker_status": "both numbers are constants of the build",
}


@pytest.mark.bare
def test_no_assert_statement_checks_what_a_user_gives() -> None:
    """Neither arguments nor received data: those that are left are in the list."""
    found = {
        f"{module}:{node.lineno}": module
        for module, path in Tree(ROOT).modules.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    }

    assert set(found.values()) <= INTERNAL.keys(), found
