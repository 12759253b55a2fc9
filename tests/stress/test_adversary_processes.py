"""Threads, signals and forks in the worst company: no hang, no leak, no crash.

See hostile.py for how they are judged.
"""

import pytest

from tests.stress.hostile import run

pytestmark = [pytest.mark.bare, pytest.mark.slow]


def test_threads_and_forks_at_once() -> None:
    run("""
shared, stop, failures = mp.Queue(), False, 0

def work(number):
    own = mp.Queue()
    while not stop:
        own.put((number, b"x" * 300_000))
        assert own.get()[0] == number

threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
for number in range(60):
    pid = os.fork() if number % 2 else _core.fork()
    if pid == 0:
        try:
            shared.put((number, b"y" * 300_000))
            gc.collect()
            os._exit(0)
        finally:
            os._exit(1)
    assert shared.get(timeout=10)[0] == number
    failures += os.waitpid(pid, 0)[1] != 0
stop = True
for thread in threads:
    thread.join()
assert failures == 0
del shared
assert used() < 10_000, used()
""")


def test_forks_from_several_threads_at_once() -> None:
    run("""
def work():
    for _ in range(15):
        pid = os.fork()
        if pid == 0:
            queue = mp.Queue()
            queue.put([1, b"x" * 5000])
            queue.get(timeout=5)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0

mp.Queue()
threads = [threading.Thread(target=work) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert used() < 10_000, used()
""")


def test_signal_handlers_that_put_and_get() -> None:
    run("""
from queue import Empty, Full
queue, other, count = mp.Queue(), mp.Queue(1), 0

def handler(*_):
    global count
    count += 1
    queue.put(("signal", count))
    try:
        other.put(1, timeout=0) if other.empty() else other.get(timeout=0)
    except (Empty, Full):
        pass  # a second signal came within the handler of the first

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
got, end = [], time.monotonic() + 1
while time.monotonic() < end:
    got.append(queue.get())
    queue.put(("program", [1] * 300))
    got.append(queue.get())
signal.setitimer(signal.ITIMER_REAL, 0)
numbers = [number for who, number in got if who == "signal"]
assert numbers == sorted(set(numbers)) and count > 100
""")


def test_signal_handlers_that_raise_lose_and_leak_nothing() -> None:
    run("""
class Interrupt(Exception):
    pass

def handler(*_):
    raise Interrupt

signal.signal(signal.SIGALRM, handler)
queue, empty, full = mp.Queue(), mp.Queue(), mp.Queue(1)
full.put(0)
for warm in ((1, b""), (1, b"x" * 300_000)):  # an import would swallow the exception
    queue.put(warm)
    queue.get()
del warm
interrupts = 0
while interrupts < 60:  # as long as that takes on this machine
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 2e-3), 1)
        for size in (10, 5000, 300_000):
            queue.put((size, b"q" * size))
        while not queue.empty():
            size, data = queue.get()
            assert len(data) == size
        empty.get() if interrupts % 2 else full.put(b"z" * 100_000)
    except Interrupt:
        interrupts += 1
signal.setitimer(signal.ITIMER_REAL, 0)
while not queue.empty():
    size, data = queue.get()
    assert len(data) == size
assert full.qsize() == 1
del queue, empty, full, data
assert used() < 10_000, used()
""")


def test_twenty_thousand_queues() -> None:
    run("""
queues = [mp.Queue() for _ in range(20_000)]
for number, queue in enumerate(queues):
    queue.put(number)
pid = _core.fork()
if pid == 0:
    os._exit(0 if queues[-1].get(timeout=5) == 19_999 else 1)
assert os.waitpid(pid, 0)[1] == 0
assert all(queue.get() == number for number, queue in enumerate(queues[:-1]))
del queues, queue
assert used() < 500_000, used()  # the list of what is held keeps its size
""")


def test_an_interpreter_ends_beside_threads_that_wait_and_that_work() -> None:
    run("""
empty, full, lock, busy = mp.Queue(), mp.Queue(1), mp.Lock(), mp.Queue()
full.put(1)
lock.acquire()

def work():
    while True:
        busy.put(b"x" * 100_000)
        busy.get()

for each in (empty.get, lambda: full.put(2), lock.acquire, lambda: empty.get(timeout=1000), work):
    threading.Thread(target=each, daemon=True).start()
assert busy.get(timeout=10)
""")


def test_the_table_of_processes_full() -> None:
    run("""
queue, pids = mp.Queue(), []
read, write = os.pipe()
while len(pids) < 2060:
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    pids.append(pid)
pid = os.fork()  # has no place: an exception in it, and nothing else
if pid == 0:
    try:
        queue.put("without a place")
    except (RuntimeError, ValueError):
        os._exit(7)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
queue.put("still works")
assert queue.get(timeout=1) == "still works"
os.close(write)
for each in pids:
    os.waitpid(each, 0)
pid = os.fork()
if pid == 0:
    queue.put("place again")
    os._exit(0)
assert queue.get(timeout=5) == "place again"
os.waitpid(pid, 0)
""")


def test_forks_that_fail_leave_no_slots() -> None:
    run("""
import resource
queue = mp.Queue()
os.setgid(65534)
os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
for _ in range(300):
    try:
        pid = os.fork()
    except BlockingIOError:
        continue
    os._exit(0)
assert used() < 10_000, used()
assert _core.arena_usage()["slots"] < 10, _core.arena_usage()
""")
