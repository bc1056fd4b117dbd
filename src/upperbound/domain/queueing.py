"""When a warehouse counts as one that queues."""

from collections.abc import Sequence


def queues(queued: Sequence[int]) -> bool:
    """Say whether a warehouse queued queries over some time; ``queued`` is how many waited at each look at it.

    It did when queries waited at most of the looks. A single look may catch a cluster that has just started, and none
    says nothing.
    """
    return sum(waiting > 0 for waiting in queued) * 2 > len(queued)
