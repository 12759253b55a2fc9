"""Queues on an event loop: `aget`, `aput`."""

import asyncio
import os
import threading
from typing import Any

import pytest

import procession
from procession.queues import ShutDown


def echo(there: Any, back: Any) -> None:
    """Run in a child."""
    while (item := there.get()) is not None:
        back.put(item)


def test_items_come_while_the_loop_goes_on(ctx: Any) -> None:
    there, back = ctx.Queue(), ctx.Queue()
    child = ctx.Process(target=echo, args=(there, back))
    child.start()

    async def talk() -> list[Any]:
        got = []
        for n in range(100):
            await there.aput(n)
            got.append(await back.aget())
        await there.aput(None)
        return got

    threads = threading.active_count()
    assert asyncio.run(talk()) == list(range(100))
    assert threading.active_count() == threads
    child.join()


def test_each_of_many_waiters_gets_one_item() -> None:
    box = procession.Queue()

    async def run() -> list[int]:
        waiters = [asyncio.create_task(box.aget()) for _ in range(50)]
        await asyncio.sleep(0)
        for n in range(50):
            box.put(n)
        return await asyncio.wait_for(asyncio.gather(*waiters), 20)

    assert sorted(asyncio.run(run())) == list(range(50))


def test_putting_waits_for_room() -> None:
    box = procession.Queue(1)

    async def run() -> list[int]:
        async def put_all() -> None:
            for n in range(20):
                await box.aput(n)

        putting = asyncio.create_task(put_all())
        got = [await box.aget() for _ in range(20)]
        await putting
        return got

    assert asyncio.run(run()) == list(range(20))


def test_who_is_cancelled_has_taken_nothing() -> None:
    box = procession.Queue()

    async def run() -> list[Any]:
        first, second = (asyncio.create_task(box.aget()) for _ in range(2))
        await asyncio.sleep(0)
        box.put("only")
        first.cancel()  # perhaps in the very turn in which it was to be woken
        got = await asyncio.wait_for(second, 20)
        return [got, first.cancelled() or (await asyncio.wait({first}) and first.cancelled())]

    assert asyncio.run(run()) == ["only", True]
    assert box.empty()


def test_no_wake_up_is_lost_when_a_woken_waiter_is_cancelled() -> None:
    box = procession.Queue()

    async def run() -> None:
        for turn in range(100):
            waiters = [asyncio.create_task(box.aget()) for _ in range(3)]
            await asyncio.sleep(0)
            box.put(1)
            for _ in range(turn % 6):  # the bell rings before the cancellation, or after
                await asyncio.sleep(0)
            for waiter in waiters[:2]:
                waiter.cancel()
            box.put(2)
            done = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 20)
            left = [box.get(False) for _ in range(box.qsize())]
            got = [item for item in done if isinstance(item, int)]
            assert sorted(got + left) == [1, 2]

    asyncio.run(run())


def test_two_queues_and_a_thread_that_puts() -> None:
    first, second = procession.Queue(), procession.SimpleQueue()

    async def run() -> tuple[Any, Any]:
        pair = asyncio.gather(first.aget(), second.aget())
        await asyncio.to_thread(lambda: (second.put("b"), first.put("a")))
        return tuple(await asyncio.wait_for(pair, 20))

    assert asyncio.run(run()) == ("a", "b")


def test_a_shut_down_queue_wakes_its_waiters() -> None:
    box, full = procession.Queue(), procession.Queue(1)
    full.put(1)

    async def run() -> None:
        waiting = [asyncio.create_task(box.aget()), asyncio.create_task(full.aput(2))]
        await asyncio.sleep(0)
        box.shutdown()
        full.shutdown()
        for task in waiting:
            with pytest.raises(ShutDown):
                await asyncio.wait_for(task, 20)

    asyncio.run(run())


def test_a_loop_that_waits_for_nothing_has_no_descriptor_more() -> None:
    box = procession.Queue()

    async def run() -> None:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(box.aget(), 0.01)
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(run())
