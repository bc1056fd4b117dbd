"""How far the work after a run's load has come: its queries loaded, the server's own view fetched."""

from collections.abc import Sequence
from enum import StrEnum


class EnrichmentStatus(StrEnum):
    """``ENRICHMENT_STATUS`` of a run."""

    PENDING = "PENDING"
    """It is under way, or was cut off."""
    COMPLETED = "COMPLETED"
    """All of it is there."""
    PARTIAL = "PARTIAL"
    """Some of it is there; it may be tried again."""
    SKIPPED = "SKIPPED"
    """The server was not asked."""
    FAILED = "FAILED"
    """The server was asked, and nothing could be learnt; it may be tried again."""


def follow_up_status(
    status: EnrichmentStatus, reason: str | None, problems: Sequence[str]
) -> tuple[EnrichmentStatus, str | None]:
    """Return the status of all the work after the load, and why it is not better.

    ``status`` and ``reason`` are those of the server's view. ``problems`` says which queries of the run are not where
    they should be: that makes any other end PARTIAL, as what was measured is there and can be loaded again.
    """
    if not problems:
        return status, reason
    worse = status if status is EnrichmentStatus.FAILED else EnrichmentStatus.PARTIAL
    told = reason if status not in (EnrichmentStatus.COMPLETED, EnrichmentStatus.SKIPPED) else None
    return worse, "; ".join([*problems, *([told] if told else [])])


def differences(recorded: dict[str, int], loaded: dict[str, int]) -> list[str]:
    """Say of each worker by how many the queries that were recorded and those in the store differ, if they do."""
    workers = [*recorded, *sorted(loaded.keys() - recorded.keys())]
    return [
        f"{worker}: {recorded.get(worker, 0):,} queries recorded and {loaded.get(worker, 0):,} in the store"
        for worker in workers
        if recorded.get(worker, 0) != loaded.get(worker, 0)
    ]
