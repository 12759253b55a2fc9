"""Pieces of shared memory, by the names that third parties know."""

import pickle

import pytest

from procession import heap


def test_a_piece_of_memory_is_as_large_as_asked_for() -> None:
    """Zeroed, writable, and the same in each process that has a pickle of it."""
    wrapper = heap.BufferWrapper(10)
    view = wrapper.create_memoryview()

    view[3] = 7

    same = pickle.loads(pickle.dumps(wrapper)).create_memoryview()
    assert bytes(same) == bytes([0, 0, 0, 7, 0, 0, 0, 0, 0, 0])
    assert heap.BufferWrapper(0).create_memoryview().nbytes == 0
    with pytest.raises(ValueError, match="out of range"):
        heap.BufferWrapper(-1)
    with pytest.raises(OverflowError):
        heap.BufferWrapper(2**63 - 1)


def test_a_view_outlives_its_piece() -> None:
    """The memory is freed with the last view of it."""
    view = heap.BufferWrapper(4).create_memoryview()
    heap.BufferWrapper(4).create_memoryview()[:] = b"xxxx"

    assert bytes(view) == bytes(4)


def test_arenas_and_heaps_are_there_for_third_parties() -> None:
    """By the names of the standard package."""
    arena = heap.Arena(4096)
    piece, start, stop = heap.Heap().malloc(100)

    arena.buffer[:3] = b"abc"
    piece.buffer[start:stop] = bytes(range(100))

    assert (arena.buffer[:3], arena.size, stop - start) == (b"abc", 4096, 100)
    heap.Heap().free((piece, start, stop))
