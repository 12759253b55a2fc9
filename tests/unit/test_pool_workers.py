"""What a pool's owner may ask of its workers: names, random states."""

from typing import Any

import pytest

import procession
from tests.support import tasks

WORKERS = 2


def test_workers_are_called_after_the_pool(ctx: Any) -> None:
    with ctx.Pool(WORKERS, name="tiler") as pool:
        names = set(pool.map(tasks.process_name, range(20), 1))
        assert {worker.name for worker in pool._pool} == {"tiler-1", "tiler-2"}
    pool.join()
    assert names <= {"tiler-1", "tiler-2"}


# ------------------------------------------------------------------------------------------- seeds


def _first_draws(context: Any, **options: Any) -> list[float]:
    """One number of each worker, in order of their names."""
    with context.Pool(1, maxtasksperchild=1, **options) as pool:
        return [pool.apply(tasks.draw)[1] for _ in range(3)]


def test_a_seed_makes_the_workers_numbers_and_none_has_anothers(ctx: Any) -> None:
    first, again = (_first_draws(ctx, seed=7) for _ in range(2))
    assert first == again
    assert len(set(first)) == 3
    assert _first_draws(ctx, seed=8) != first


def test_without_a_seed_workers_are_distinct(ctx: Any) -> None:
    draws = _first_draws(ctx)
    assert len(set(draws)) == 3
    assert _first_draws(ctx) != draws


def test_numpy_is_seeded_where_it_is_loaded() -> None:
    pytest.importorskip("numpy.random")
    context = procession.get_context("fork")

    def draws() -> list[float]:
        with context.Pool(1, maxtasksperchild=1, seed="repeatable") as pool:
            return [pool.apply(tasks.draw_numpy) for _ in range(2)]

    first = draws()
    assert first == draws()
    assert first[0] != first[1]


def test_a_seed_is_a_number_or_a_word() -> None:
    with pytest.raises(TypeError, match="seed must be"):
        procession.Pool(1, seed=object())
