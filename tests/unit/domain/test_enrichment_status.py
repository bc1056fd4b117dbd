"""What the work after a load comes to: the server's view, and queries that are not where they should be."""

import pytest

from upperbound.domain.enrichment_status import EnrichmentStatus, differences, follow_up_status

LOST = "worker-1: 10 queries recorded and 0 in the store"


@pytest.mark.parametrize(
    ("server", "why", "problems", "status", "reason"),
    [
        ("COMPLETED", None, [], "COMPLETED", None),
        ("SKIPPED", "not asked", [], "SKIPPED", "not asked"),
        ("PARTIAL", "late", [], "PARTIAL", "late"),
        ("COMPLETED", "some are not told of", [LOST], "PARTIAL", LOST),
        ("SKIPPED", "not asked", [LOST], "PARTIAL", LOST),
        ("PARTIAL", "late", [LOST, "more"], "PARTIAL", f"{LOST}; more; late"),
        ("FAILED", "no right", [LOST], "FAILED", f"{LOST}; no right"),
    ],
)
def test_queries_that_are_missing_make_any_end_but_a_failure_partial(
    server: str, why: str | None, problems: list[str], status: str, reason: str | None
) -> None:
    assert follow_up_status(EnrichmentStatus(server), why, problems) == (EnrichmentStatus(status), reason)


def test_each_worker_whose_queries_differ_is_named_with_both_numbers() -> None:
    recorded = {"worker-0": 5, "worker-1": 1_000, "worker-2": 0}
    assert differences(recorded, {"worker-0": 5, "worker-1": 999, "worker-9": 2}) == [
        "worker-1: 1,000 queries recorded and 999 in the store",
        "worker-9: 0 queries recorded and 2 in the store",
    ]
    assert differences(recorded, {"worker-0": 5, "worker-1": 1_000}) == []
