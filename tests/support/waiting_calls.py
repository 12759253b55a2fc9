"""A table of the public calls that wait. Each row makes a call, and what ends its waiting."""

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import Any

import procession
from procession import connection, futures
from procession.dummy.connection import Pipe as DummyPipe
from procession.pool import ThreadPool

Call = Callable[[Any], object]
Row = tuple[Call, Callable[[], object]]  # the call with its timeout, and what ends its waiting

CONTEXT = procession.get_context("fork")

BROKEN_BY_A_TIMEOUT = ("Barrier.wait", "Barrier", "manager's Barrier")
NOT_IN_TIME = (
    procession.TimeoutError,
    TimeoutError,
    queue.Empty,
    queue.Full,
    threading.BrokenBarrierError,
)


class Stage(ExitStack):
    """What a row needs; each is made when it is asked for, and ended at the end.

    Attributes:
        told: a pipe, for tasks that are to end when they are told to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told = os.pipe()
        for fd in self.told:
            self.callback(os.close, fd)

    def end_tasks(self) -> None:
        """Tell all tasks to end, also those that were begun by calls that took too long."""
        os.write(self.told[1], bytes(10))

    @cached_property
    def manager(self) -> Any:
        """A manager, with its objects."""
        return self.enter_context(CONTEXT.Manager())

    @cached_property
    def pool(self) -> Any:
        """A pool of processes."""
        return self.enter_context(CONTEXT.Pool(1))

    @cached_property
    def thread_pool(self) -> Any:
        """A pool of threads."""
        return self.enter_context(ThreadPool(1))

    @cached_property
    def executor(self) -> Any:
        """An executor of processes."""
        return self.enter_context(futures.ProcessPoolExecutor(1, CONTEXT))


def acquiring(lock: Any) -> Row:
    """One process's or thread's lock, or a semaphore, that is taken."""
    assert lock.acquire()
    return (lambda t: lock.acquire(True, t)), lock.release


def acquiring_elsewhere(lock: Any) -> Row:
    """A lock that may be taken again by its holder, so another thread holds it."""
    let_go, taken = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            let_go.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(30)

    def end() -> None:
        let_go.set()
        holder.join()

    return (lambda t: lock.acquire(True, t)), end


def notified(condition: Any, wait: Callable[[Any], object]) -> Row:
    """A condition; *wait* is called with its lock held."""

    done = threading.Event()

    def call(timeout: Any) -> object:
        with condition:
            try:
                return wait(timeout)
            finally:
                done.set()

    def end() -> None:
        done.clear()
        while not done.wait(0.01):  # a notification reaches those alone that wait already
            with condition:
                condition.notify_all()

    return call, end


def waiting_for(condition: Any) -> Row:
    """wait_for of a condition."""
    told: list[int] = []
    call, end = notified(condition, lambda t: condition.wait_for(lambda: bool(told), t))
    return call, lambda: (told.append(1), end())


def passing(barrier: Any) -> Row:
    """A barrier of two."""

    def end() -> None:
        barrier.wait(20)

    return barrier.wait, end


def getting(queue: Any) -> Row:
    """An empty queue."""
    return (lambda t: [queue.get(True, t)]), lambda: queue.put(1)


def getting_many(queue: Any) -> Row:
    """An empty queue of which many items are wanted."""
    return (lambda t: queue.get_many(3, True, t)), lambda: queue.put(1)


def putting(queue: Any) -> Row:
    """A queue that has room for one."""
    queue.put(1)
    return (lambda t: [queue.put(2, True, t)]), queue.get


def ending(make: Callable[[Any], Call]) -> Row:
    """A process that ends when it is told to; *make* makes the call from it."""
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=there.recv)
    process.start()

    def end() -> None:
        with suppress(OSError):
            here.send(0)

    return make(process), end


def joined(process: Any) -> Call:
    """Return join, with a result: whether the process has ended."""
    return lambda t: (process.join(t), process.exitcode is not None)[1]


def pool_result(stage: Stage, pool: Any, call: Callable[[Any, Any], object]) -> Row:
    """The result of a task that ends when it is told to."""
    result = pool.apply_async(os.read, (stage.told[0], 1))
    return (lambda t: call(result, t)), stage.end_tasks


def imap_next(stage: Stage, name: str) -> Row:
    """The iterator over one result."""
    results = getattr(stage.pool, name)(read_one, [stage.told[0]])
    return results.next, stage.end_tasks


def read_one(fd: int) -> bytes:
    """Wait to be told to end."""
    return os.read(fd, 1)


def future(stage: Stage, name: str) -> Row:
    """A future's result or exception."""
    call = getattr(stage.executor.submit(read_one, stage.told[0]), name)
    return (lambda t: (call(t), True)[1]), stage.end_tasks


def executor_map(stage: Stage) -> Row:
    """The iterator over one result."""
    executor, numbers = stage.executor, [stage.told[0]]
    return (lambda t: next(executor.map(read_one, numbers, timeout=t))), stage.end_tasks


def accepting(timeout_of_client: bool) -> Row:
    """A listener without a client, or a client whose listener does not answer."""
    listener = connection.Listener(authkey=b"key")

    def serve(timeout: Any) -> object:
        with listener.accept(timeout):
            return True

    def call(timeout: Any) -> object:
        with connection.Client(listener.address, authkey=b"key", timeout=timeout):
            return True

    return (call, lambda: serve(20)) if timeout_of_client else (serve, lambda: call(20))


def polling(pipe: Any) -> Row:
    """A connection to which nothing was sent."""
    here, there = pipe
    return there.poll, lambda: here.send(1)


def waiting(pipe: Any) -> Row:
    """connection.wait."""
    here, there = pipe
    return (lambda t: connection.wait([there], t)), lambda: here.send(1)


def passing_with_default(make: Callable[..., Any]) -> Row:
    """The timeout that a barrier was made with."""
    made: list[Any] = []

    def call(timeout: Any) -> object:
        made.append(make(2, None, timeout))
        return made[0].wait()

    def end() -> None:
        while not made:
            time.sleep(0.001)
        made[0].wait(20)

    return call, end


ROWS: dict[str, Callable[[Stage], Row]] = {
    "Lock.acquire": lambda s: acquiring(CONTEXT.Lock()),
    "RLock.acquire": lambda s: acquiring_elsewhere(CONTEXT.RLock()),
    "Semaphore.acquire": lambda s: acquiring(CONTEXT.Semaphore(1)),
    "BoundedSemaphore.acquire": lambda s: acquiring(CONTEXT.BoundedSemaphore(1)),
    "Condition.wait": lambda s: notified(c := CONTEXT.Condition(), c.wait),
    "Condition.wait_for": lambda s: waiting_for(CONTEXT.Condition()),
    "Event.wait": lambda s: ((e := CONTEXT.Event()).wait, e.set),
    "Barrier.wait": lambda s: passing(CONTEXT.Barrier(2)),
    "Barrier": lambda s: passing_with_default(CONTEXT.Barrier),
    "Queue.get": lambda s: getting(CONTEXT.Queue()),
    "Queue.put": lambda s: putting(CONTEXT.Queue(1)),
    "Queue.get_many": lambda s: getting_many(CONTEXT.Queue()),
    "JoinableQueue.get": lambda s: getting(CONTEXT.JoinableQueue()),
    "JoinableQueue.put": lambda s: putting(CONTEXT.JoinableQueue(1)),
    "Connection.poll": lambda s: polling(CONTEXT.Pipe()),
    "Connection.poll, one way": lambda s: polling(CONTEXT.Pipe(False)[::-1]),
    "dummy.Connection.poll": lambda s: polling(DummyPipe()),
    "connection.wait": lambda s: waiting(CONTEXT.Pipe()),
    "Listener.accept": lambda s: accepting(False),
    "Client": lambda s: accepting(True),
    "Process.join": lambda s: ending(joined),
    "Process.exception": lambda s: ending(lambda p: lambda t: p.exception(t) is None),
    "AsyncResult.get": lambda s: pool_result(s, s.pool, lambda r, t: r.get(t)),
    "AsyncResult.wait": lambda s: pool_result(s, s.pool, lambda r, t: (r.wait(t), r.ready())[1]),
    "ThreadPool's result": lambda s: pool_result(s, s.thread_pool, lambda r, t: r.get(t)),
    "imap.next": lambda s: imap_next(s, "imap"),
    "imap_unordered.next": lambda s: imap_next(s, "imap_unordered"),
    "Future.result": lambda s: future(s, "result"),
    "Future.exception": lambda s: future(s, "exception"),
    "Executor.map": lambda s: executor_map(s),
    "manager's Lock": lambda s: acquiring(s.manager.Lock()),
    "manager's RLock": lambda s: acquiring_elsewhere(s.manager.RLock()),
    "manager's Semaphore": lambda s: acquiring(s.manager.Semaphore(1)),
    "manager's BoundedSemaphore": lambda s: acquiring(s.manager.BoundedSemaphore(1)),
    "manager's Condition.wait": lambda s: notified(c := s.manager.Condition(), c.wait),
    "manager's Condition.wait_for": lambda s: waiting_for(s.manager.Condition()),
    "manager's Event": lambda s: ((e := s.manager.Event()).wait, e.set),
    "manager's Barrier": lambda s: passing(s.manager.Barrier(2)),
    "manager's Queue.get": lambda s: getting(s.manager.Queue()),
    "manager's Queue.put": lambda s: putting(s.manager.Queue(1)),
    "manager's JoinableQueue.get": lambda s: getting(s.manager.JoinableQueue()),
}
