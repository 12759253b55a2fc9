"""Ten thousand tasks in workers that are replaced all the time: each is done once."""

from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TASKS = 10_000


def same(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("options", "chunksize"),
    [({"maxtasksperchild": 100}, 1), ({"max_memory_per_child": 1}, 100)],
    ids=["tasks", "memory"],
)
def test_no_task_is_lost_or_done_twice(options: dict[str, int], chunksize: int) -> None:
    """A worker is replaced after a hundred tasks, or, as it is too large, after each."""
    from procession import get_context

    context: Any = get_context("fork")
    with context.Pool(2, **options) as pool:
        before = {process.pid for process in pool._pool}
        results = list(pool.imap_unordered(same, range(TASKS), chunksize))
        after = {process.pid for process in pool._pool}

    assert sorted(results) == list(range(TASKS))
    assert before != after
