"""What is kept of the server's view is read back whole, told in short, and left out when it cannot be read."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.views.rows import completed, figures, kind
from tests.unit.views.told_by_server import document, minute

from upperbound.views.enrichment import (
    NOT_ENDED,
    OTHER_VERSION,
    enrichment_of,
    load_enrichment,
    load_overhead,
)
from upperbound.views.server_view import read_server_view

ONE_WORKER = [figures({"POINT_LOOKUP": kind([100] * 40)})]


def store_with(**fields: Any) -> Any:
    """A store whose only result has these fields."""
    parent, _ = completed(ONE_WORKER, **fields)
    return SimpleNamespace(results=SimpleNamespace(get=lambda _: parent))


@pytest.mark.parametrize("minutes", [None, [minute(), minute(30)]])
def test_everything_that_is_kept_is_read_back(minutes: Any) -> None:
    kept = json.loads(json.dumps(document(minutes=minutes)))
    view = read_server_view(kept)
    assert view is not None
    shown = view.model_dump(mode="json")
    for moment in ("read_at", "since", "until"):
        assert shown["reading"].pop(moment)[:19] == kept["reading"].pop(moment)[:19]
    for told in ("by_minute", "groups"):
        for entry, own in zip(
            (shown["minutes"] or {}).get(told, []), (kept["minutes"] or {}).get(told, []), strict=True
        ):
            assert entry.pop("start")[:19] == own.pop("start")[:19]
    assert shown == kept


def test_the_short_form_is_that_of_the_measurement() -> None:
    parent, _ = completed(
        ONE_WORKER,
        enrichment_status="COMPLETED",
        server_view=document(first={"overload_ms": 7}),
    )
    found = enrichment_of(parent)
    assert (found.status, found.reason) == ("COMPLETED", None)
    assert found.server is not None
    assert (found.server.coverage.matched, found.server.coverage.pct) == (40, 100.0)
    assert (found.server.server_p50_ms, found.server.overhead_p95_ms) == (10, 2.5)
    assert (found.server.queued_pct, found.server.clusters, found.server.withheld) == (2.5, 1, None)


def test_percentiles_of_less_than_half_are_withheld_with_the_reason() -> None:
    parent, _ = completed(ONE_WORKER, enrichment_status="PARTIAL", server_view=document(matched=19))
    brief = enrichment_of(parent).server
    assert brief is not None
    assert (brief.server_p50_ms, brief.overhead_p50_ms) == (None, None)
    assert "47.5 %" in str(brief.withheld)


def test_a_form_that_is_not_known_is_not_guessed_at() -> None:
    for kept in (document() | {"version": 2}, {"version": 1}):
        store = store_with(enrichment_status="COMPLETED", server_view=kept)
        found = load_enrichment(store, "run")
        assert (found.server, found.note) == (None, OTHER_VERSION)
        assert load_overhead(store, "run").note == OTHER_VERSION


def test_before_the_end_nothing_was_asked() -> None:
    found = load_enrichment(store_with(), "run")
    assert (found.status, found.server, found.note) == ("PENDING", None, NOT_ENDED)


def test_overhead_over_time_is_that_of_each_second() -> None:
    found = load_overhead(store_with(enrichment_status="COMPLETED", server_view=document()), "run")
    assert (found.step_s, found.note) == (1, None)
    assert [(point.elapsed_s, point.count, point.p50_ms) for point in found.points] == [(0, 20, 2.5), (1, 20, 2.5)]


def test_why_there_is_no_overhead_is_said() -> None:
    withheld = load_overhead(store_with(enrichment_status="PARTIAL", server_view=document(matched=1)), "run")
    assert withheld.points == []
    assert "percentiles are shown from 50 %" in str(withheld.note)
    skipped = load_overhead(store_with(enrichment_status="SKIPPED", enrichment_reason="it is PostgreSQL"), "run")
    assert skipped.note == "it is PostgreSQL"
