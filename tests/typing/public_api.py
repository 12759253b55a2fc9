"""What a type checker knows of the public interface: checked in strict mode, never run."""

from typing import Any, assert_type

import procession
from procession import futures, shared
from procession.connection import Client, Connection, Listener, wait
from procession.pool import AsyncResult, Pool, ThreadPool
from procession.process import BaseProcess
from procession.synchronize import Barrier, Condition, Event, Lock, RLock, Semaphore


def double(number: int) -> int:
    return 2 * number


def processes() -> None:
    process = procession.Process(target=double, args=(1,), daemon=True)
    process.start()
    process.join(timeout=1.0)
    assert_type(process.exitcode, int | None)
    assert_type(process.pid, int | None)
    assert_type(process.name, str)
    assert_type(process.is_alive(), bool)
    assert_type(procession.active_children(), list[BaseProcess])
    assert_type(procession.cpu_count(), int)


def synchronization() -> None:
    assert_type(procession.Lock(), Lock)
    assert_type(procession.RLock(), RLock)
    assert_type(procession.Semaphore(2), Semaphore)
    assert_type(procession.Event(), Event)
    assert_type(procession.Condition(), Condition)
    assert_type(procession.Barrier(2), Barrier)
    assert_type(procession.Event().wait(0.1), bool)
    with procession.Lock():
        pass


def pools() -> None:
    pool = procession.Pool(2)
    assert_type(pool, Pool)
    results: list[int] = pool.map(double, [1, 2], chunksize=1)
    result = pool.apply_async(double, (1,))
    assert_type(result, AsyncResult)
    number: int = result.get(timeout=1.0)
    assert_type(result.ready(), bool)
    threads: ThreadPool = ThreadPool(2)
    threads.close()
    with futures.ProcessPoolExecutor(2) as executor:
        executor.submit(double, 1).result()
    print(results, number)


def messages() -> None:
    receiver, sender = procession.Pipe(duplex=False)
    assert_type(receiver, Connection)
    assert_type(sender.send_bytes(b""), None)
    assert_type(receiver.poll(0.0), bool)
    ready = wait([receiver], timeout=0.0)
    queue = procession.Queue()
    queue.put(1, timeout=1.0)
    assert_type(queue.qsize(), int)
    with Listener(("localhost", 0), authkey=b"key") as listener:
        client = Client(listener.address, authkey=b"key")
        client.close()
    table: shared.Dict[str, int] = shared.Dict()
    table["key"] = 1
    rest: Any = ready
    print(rest)
