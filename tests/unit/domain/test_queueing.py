"""When a warehouse counts as one that queues."""

import pytest

from upperbound.domain.queueing import queues


@pytest.mark.parametrize(
    ("queued", "expected"),
    [
        ([], False),
        ([0], False),
        ([7], True),
        ([0, 0, 5], False),
        ([0, 5], False),
        ([0, 5, 1], True),
        ([4, 4, 4, 0, 0, 4], True),
    ],
)
def test_a_warehouse_queues_when_queries_wait_at_most_of_the_looks(queued: list[int], expected: bool) -> None:
    assert queues(queued) is expected
