"""The fork server is killed at random instants: in starts, between them, under a busy pool."""

import pytest

from tests.support import run_python

KILLS = """
import os, random, signal, sys, threading, time
import procession
from procession import _core, forkserver

context = procession.get_context("forkserver")
seed, wanted = int(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
kills = 0
done = threading.Event()

def kill_servers():
    '''Kill servers some time after they have been started, and no server that is just starting.'''
    global kills
    while kills < wanted:
        done.wait(rng.choice([0.001, 0.01, 0.05, 0.15, 0.3]))
        pid = forkserver._forkserver._forkserver_pid
        if pid is not None and forkserver._forkserver._lock.acquire(timeout=5):
            try:
                if forkserver._forkserver._forkserver_pid == pid:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
            finally:
                forkserver._forkserver._lock.release()
    done.set()

def task(number):
    return number

def footprint():
    _core.reclaim_dead()
    usage = _core.arena_usage()
    return len(os.listdir("/proc/self/fd")), usage["used"]

def round(ran, number):
    processes = [context.Process(target=ran.release) for _ in range(2)]
    for process in processes:
        process.start()
    assert pool.map(task, range(20)) == list(range(20))
    for process in processes:
        process.join()
        assert process.exitcode == 0, process.exitcode
        assert ran.acquire(False)
        process.close()
    assert not ran.acquire(False), "a process ran twice"

if __name__ == "__main__":
    forkserver.ensure_running()
    pool, ran = context.Pool(2), context.Semaphore(0)
    workers = {worker.pid for worker in pool._pool}
    round(ran, 0)
    before = footprint()
    threading.Thread(target=kill_servers, daemon=True).start()
    rounds = 0
    while not done.is_set():
        round(ran, rounds)
        rounds += 1
        if kills < wanted // 2:  # whatever is kept for later use is there
            before = footprint()
    assert {worker.pid for worker in pool._pool} == workers
    round(ran, 0)
    after = footprint()
    # The two channels of the pool may each have one segment more, and keep one for the next need.
    segments = 4 * 65536
    assert after[0] <= before[0] and after[1] <= before[1] + segments, (before, after)
    pool.terminate()
    pool.join()
    print(kills == wanted, procession.active_children())
"""


@pytest.mark.slow
@pytest.mark.orphans
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(2))
def test_servers_killed_at_random_cost_nothing(seed: int) -> None:
    """Each process runs once, the pool keeps its workers, nothing is left or lost."""
    outcome = run_python(KILLS, str(seed), "100", timeout=110)

    assert outcome.stdout == "True []\n", outcome.stderr
