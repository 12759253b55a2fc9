"""Objects used as nobody should use them: no hang, no leak, no crash.

See hostile.py for how they are judged.
"""

import pytest

from tests.stress.hostile import run

pytestmark = [pytest.mark.bare, pytest.mark.slow]


def test_methods_of_objects_that_were_never_initialised_raise() -> None:
    run("""
types = [each for each in vars(_core).values() if isinstance(each, type)]
attempts = [(), (1,), (None,), (0.01,), ("x", 2), (1, 2, 3), (_core.Block(8), 0)]
for kind in types:
    try:
        hollow = kind.__new__(kind)
    except TypeError:
        continue
    for name in set(dir(hollow)) - set(dir(type)) - {"__init__", "__new__"}:
        method = getattr(type(hollow), name)
        for arguments in attempts if callable(method) else ():
            try:
                method(hollow, *arguments)
            except Exception:
                pass
    for use in (memoryview, pickle.dumps, len, bytes):
        try:
            use(hollow)
        except (TypeError, ValueError, pickle.PicklingError):
            pass
""")


def test_a_class_that_makes_no_new_objects_is_refused_when_unpickled() -> None:
    run("""
class One(_core.Block):
    it = None
    def __new__(cls, *size):
        return cls.it if cls.it is not None else super().__new__(cls)

queue, before = _core.Channel(), None
real = One(8)
for One.it in (real, 12345):
    queue.put(real)
    try:
        queue.get()
    except TypeError as error:
        assert "__new__" in str(error)
    else:
        raise AssertionError("accepted")
    held = _core.arena_usage()["references"]
    assert before in (None, held)
    before = held
assert 12345 + 1 == 12346
""")


def test_references_that_were_tampered_with_raise() -> None:
    run("""
queue = mp.Queue()
reference = pickle.dumps(queue)
for place in range(len(reference)):
    for change in (1, 128, 255):
        wrong = bytearray(reference)
        wrong[place] = (wrong[place] + change) % 256
        try:
            pickle.loads(bytes(wrong))
        except Exception:
            pass
queue.put(1)
assert queue.get() == 1
del queue
used()
try:
    pickle.loads(reference)
except RuntimeError as error:
    assert "no longer exists" in str(error)
else:
    raise AssertionError("a reference to nothing was accepted")
""")


def test_queues_dropped_with_everything_inside() -> None:
    run("""
queue = mp.Queue()
for _ in range(1000):
    queue.put(b"x" * 20_000)
    queue.put(1)
for _ in range(1000):
    outer = mp.Queue()
    outer.put([queue, mp.Lock(), bytearray(5000)])
    queue = outer
del queue, outer
assert used() < 10_000, used()
cycle = mp.Queue()
cycle.itself = cycle
cycle.put(b"x" * 20_000)
del cycle
assert used() < 10_000, used()
""")


def test_messages_of_thousands_of_parts() -> None:
    run("""
queue = mp.Queue()
buffers = [bytearray(str(number).encode() * 2000) for number in range(2000)]
queue.put([pickle.PickleBuffer(each) for each in buffers])
assert [bytes(each) for each in queue.get()] == buffers
inner = [mp.Queue() for _ in range(2000)]
for number, each in enumerate(inner):
    each.put(number)
queue.put(inner)
del inner, each
assert [each.get(timeout=1) for each in queue.get()] == list(range(2000))
del queue
assert used() < 100_000, used()
""")


def test_pickling_that_uses_the_queue_it_is_put_into() -> None:
    run("""
queue = mp.Queue()

class Nosy:
    def __reduce__(self):
        queue.put("while it is pickled")
        return Nosy.made, ()
    @staticmethod
    def made():
        queue.put("while it is unpickled")
        return Nosy()
    def __del__(self):
        queue.put("when it goes")

for _ in range(100):
    queue.put([Nosy(), b"x" * 5000])
    while not queue.empty():
        queue.get()
Nosy.__del__ = lambda self: None
""")


def test_messages_that_cannot_be_rebuilt_are_gone_and_leave_nothing() -> None:
    run("""
class Bad:
    def __reduce__(self):
        return int, ("no number",)

queue = mp.Queue()
for _ in range(300):
    queue.put([Bad(), b"x" * 20_000, mp.Queue()])
    queue.put("next")
    try:
        queue.get()
    except ValueError:
        pass
    assert queue.get() == "next"
del queue
assert used() < 10_000, used()
""")


def test_the_end_of_all_memory_is_an_exception() -> None:
    run("""
import resource
queue, large, put = mp.Queue(), b"x" * (30 << 20), 0
pages = int(open("/proc/self/statm").read().split()[0])
unlimited = resource.getrlimit(resource.RLIMIT_AS)
limit = pages * resource.getpagesize() + (100 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, unlimited[1]))
try:
    while put < 10:
        queue.put(large)
        put += 1
except MemoryError as error:
    assert f"RLIMIT_AS limits to {limit} bytes" in str(error), error
assert 0 < put < 10
resource.setrlimit(resource.RLIMIT_AS, unlimited)
assert [queue.get() for _ in range(put)] == [large] * put
queue.put("small")
assert queue.get() == "small"
""")


def test_a_program_that_closes_all_descriptors() -> None:
    run("""
queue = mp.Queue()
queue.put(1)
os.closerange(3, 1000)
for _ in range(200):
    queue.put(b"x" * 100_000)
assert queue.get() == 1
for _ in range(200):
    assert queue.get() == b"x" * 100_000
""")
