"""`SharedMemoryManager`: segments that end with their manager."""

from typing import Any

import pytest

from procession.managers import SharedMemoryManager
from procession.shared_memory import SharedMemory

pytestmark = pytest.mark.usefixtures("tracker")


def test_segments_end_with_their_manager(ctx: Any) -> None:
    manager = SharedMemoryManager(ctx=ctx)
    with pytest.raises(ValueError, match="not been started"):
        manager.SharedMemory(10)
    with manager:
        segment, numbers = manager.SharedMemory(10), manager.ShareableList(range(3))
        assert list(numbers) == [0, 1, 2]
        names = manager._client.call_server("list_segments")
        manager._client.call_server("release_segment", segment.name)
        remaining = manager._client.call_server("list_segments")
    assert manager._process is not None
    manager._process.close()

    assert names == [segment.name, numbers.shm.name]
    assert remaining == [numbers.shm.name]
    for name in names:
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)
