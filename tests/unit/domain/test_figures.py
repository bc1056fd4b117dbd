"""Figures add up over workers, subtract over time, survive JSON, and say when the generator is the bottleneck."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.figures import (
    LAG_LIMIT_MS,
    LAG_LIMIT_RATIO,
    ErrorFigure,
    GeneratorFigures,
    KindFigures,
    PhaseFigures,
    TransactionFigures,
    client_bound,
    interval,
    merge,
)
from upperbound.domain.histogram import Histogram
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase

KINDS = ("POINT_LOOKUP", "INSERT", "UPDATE")
LABELS = ("deadlock", "lock_timeout")
COUNTS = st.integers(0, 10**9)
HISTOGRAMS = st.lists(st.integers(0, 10**7), max_size=8).map(Histogram.from_values)


@st.composite
def figures(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> PhaseFigures:
    """Draw what one worker may have counted in the measurement, in a closed or in an open loop."""
    by_operation = {}
    open_loop = draw(st.shared(st.booleans(), key="open loop"))
    for label in draw(st.lists(st.sampled_from(kinds), unique=True)):
        histogram = draw(HISTOGRAMS)
        response = draw(HISTOGRAMS) if open_loop else None
        transactions = TransactionFigures(*(draw(COUNTS) for _ in range(3))) if label == "UPDATE" else None
        counts = histogram.total, draw(COUNTS)
        by_operation[label] = KindFigures(*counts, histogram, response, transactions, draw(COUNTS))
    errors = {
        label: ErrorFigure(draw(st.integers(1, 10**6)), draw(st.text(max_size=20)))
        for label in draw(st.lists(st.sampled_from(LABELS), unique=True))
    }
    return PhaseFigures(
        phase=Phase.MEASUREMENT,
        seconds=draw(st.integers(0, 3_600)),
        by_operation=by_operation,
        errors=errors,
        generator=GeneratorFigures(
            draw(COUNTS), draw(COUNTS), draw(HISTOGRAMS), draw(st.none() | st.floats(0, 100, allow_nan=False))
        ),
        warmup_operations=draw(COUNTS),
        logged_rows=draw(COUNTS),
        arrivals=ArrivalFigures(1.5, *(draw(COUNTS) for _ in range(4))) if open_loop else None,
    )


def counted(operations: int, *, failed: int = 0, seconds: float = 10.0) -> PhaseFigures:
    """Return figures of point lookups that all took 1 ms."""
    histogram = Histogram()
    histogram.counts[1_000] = operations
    return PhaseFigures(Phase.MEASUREMENT, seconds, {"POINT_LOOKUP": KindFigures(operations, failed, histogram)})


def lag_of(p99_ms: float) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.full(100, round(p99_ms * 1_000), dtype=np.int64))
    return histogram


class TestTotals:
    def test_rates_and_shares_follow_from_the_counts(self) -> None:
        one = counted(90, failed=10, seconds=5.0)
        assert (one.operations, one.failed, one.attempts) == (90, 10, 100)
        assert (one.qps, one.attempted_qps, one.error_pct) == (18.0, 20.0, 10.0)
        assert one.by_operation["POINT_LOOKUP"].error_pct == 10.0

    def test_nothing_counted_gives_no_rate_and_no_share_rather_than_zero(self) -> None:
        nothing = PhaseFigures(Phase.MEASUREMENT)
        assert (nothing.qps, nothing.attempted_qps, nothing.error_pct) == (None, None, None)
        assert (nothing.generator.busy_pct, nothing.generator.lag_p99_ms) == (None, None)
        assert KindFigures().error_pct is None

    @given(figures())
    def test_the_histogram_of_all_kinds_holds_each_of_them(self, one: PhaseFigures) -> None:
        assert one.histogram.total == one.operations
        assert one.histogram.counts.sum() == sum(kind.histogram.total for kind in one.by_operation.values())


class TestJson:
    @given(figures())
    def test_figures_come_back_as_they_were(self, one: PhaseFigures) -> None:
        assert PhaseFigures.from_json(json.loads(json.dumps(one.to_json()))) == one

    def test_a_missing_field_and_an_unreadable_one_are_told_apart(self) -> None:
        data = counted(1).to_json()
        with pytest.raises(KeyError, match="logged_rows"):
            PhaseFigures.from_json({name: value for name, value in data.items() if name != "logged_rows"})
        with pytest.raises(ValueError, match="'LUNCH' is not a valid Phase"):
            PhaseFigures.from_json({**data, "phase": "LUNCH"})


class TestMerge:
    @given(st.lists(figures(), min_size=1, max_size=4))
    def test_counts_add_up_and_no_latency_is_lost(self, workers: list[PhaseFigures]) -> None:
        run = merge(workers)
        assert run.operations == sum(one.operations for one in workers)
        assert run.failed == sum(one.failed for one in workers)
        assert run.logged_rows == sum(one.logged_rows for one in workers)
        assert run.warmup_operations == sum(one.warmup_operations for one in workers)
        assert run.seconds == max(one.seconds for one in workers)
        assert run.histogram.counts.tolist() == sum(one.histogram.counts for one in workers).tolist()  # type: ignore[union-attr]  # sum() cannot know that the list is not empty
        assert sum(error.count for error in run.errors.values()) == sum(
            error.count for one in workers for error in one.errors.values()
        )

    @given(figures(), figures(), figures())
    def test_the_order_of_merging_does_not_change_the_counts(
        self, a: PhaseFigures, b: PhaseFigures, c: PhaseFigures
    ) -> None:
        assert (
            merge([merge([a, b]), c]).by_operation
            == merge([a, merge([b, c])]).by_operation
            == merge([c, a, b]).by_operation
        )

    @given(st.lists(figures(), min_size=1, max_size=3))
    def test_the_inputs_are_left_alone(self, workers: list[PhaseFigures]) -> None:
        before = [one.to_json() for one in workers]
        merge(workers)
        assert [one.to_json() for one in workers] == before

    def test_an_error_class_keeps_its_first_sample(self) -> None:
        first, second = (
            replace(counted(1), errors={"deadlock": ErrorFigure(count, sample)})
            for count, sample in [(2, "process 1 waits"), (3, "process 2 waits")]
        )
        assert merge([first, second]).errors == {"deadlock": ErrorFigure(5, "process 1 waits")}

    def test_of_the_generators_the_busiest_speaks_and_their_lag_is_pooled(self) -> None:
        idle = GeneratorFigures(10, 1_000, lag_of(0.1), host_cpu_pct=70.0)
        busy = GeneratorFigures(90, 100, lag_of(2.0), host_cpu_pct=None)
        merged = merge([replace(counted(1), generator=one) for one in (idle, busy)]).generator
        assert (merged.busy_pct, merged.host_cpu_pct) == (90.0, 70.0)
        assert merged.lag == idle.lag + busy.lag

    def test_nothing_and_mixed_phases_cannot_be_merged(self) -> None:
        with pytest.raises(ValueError, match="no figures to merge"):
            merge([])
        with pytest.raises(ValueError, match="MEASUREMENT, WARMUP"):
            merge([counted(1), replace(counted(1), phase=Phase.WARMUP)])


class TestInterval:
    @given(figures(), figures())
    def test_it_is_what_was_added_between_two_snapshots(self, before: PhaseFigures, between: PhaseFigures) -> None:
        after = replace(
            merge([before, between]),
            seconds=before.seconds + between.seconds,
            generator=GeneratorFigures(
                before.generator.busy_ns + between.generator.busy_ns,
                before.generator.wall_ns + between.generator.wall_ns,
                before.generator.lag + between.generator.lag,
                between.generator.host_cpu_pct,
            ),
        )
        found = interval(after, before)
        nothing = KindFigures(response=None if between.arrivals is None else Histogram())
        for label, kind in found.by_operation.items():
            idle = replace(nothing, transactions=TransactionFigures()) if label == "UPDATE" else nothing
            assert kind == between.by_operation.get(label, idle)
        assert found.arrivals == between.arrivals
        assert {label: error.count for label, error in found.errors.items()} == {
            label: error.count for label, error in between.errors.items()
        }
        assert found.generator == between.generator
        assert found.seconds == between.seconds
        assert (found.warmup_operations, found.logged_rows) == (between.warmup_operations, between.logged_rows)

    def test_the_last_second_has_its_own_rate_and_percentiles(self) -> None:
        found = interval(counted(500, seconds=11.0), counted(400, seconds=10.0))
        assert found.qps == 100.0
        assert found.histogram.percentile_us(50) == 1_000

    def test_a_failed_operation_keeps_its_thread_busy_as_well(self) -> None:
        kinds = {
            "quick": KindFigures(3, 1, Histogram.from_values([10_000] * 3), failed_ns=1_000_000_000),
            "lost": KindFigures(0, 1, failed_ns=500_000_000),
        }
        assert PhaseFigures(Phase.MEASUREMENT, by_operation=kinds).mean_busy_ms == pytest.approx(1_530 / 5, rel=1e-3)
        assert PhaseFigures(Phase.MEASUREMENT, by_operation={"quick": KindFigures()}).mean_busy_ms is None

    def test_errors_that_did_not_grow_are_left_out(self) -> None:
        snapshot = replace(counted(1), errors={"deadlock": ErrorFigure(2, "a"), "auth": ErrorFigure(1, "b")})
        later = replace(snapshot, errors={"deadlock": ErrorFigure(3, "c"), "auth": ErrorFigure(1, "b")})
        assert interval(later, snapshot).errors == {"deadlock": ErrorFigure(1, "c")}

    def test_a_snapshot_without_arrivals_is_one_of_a_closed_loop(self) -> None:
        read = PhaseFigures.from_json(json.loads(json.dumps(counted(5).to_json())))
        assert (read.arrivals, read.response) == (None, None)
        assert "arrivals" not in counted(5).to_json()

    def test_a_kind_that_appears_later_counts_from_zero(self) -> None:
        assert interval(counted(5), PhaseFigures(Phase.MEASUREMENT)).operations == 5

    def test_snapshots_in_the_wrong_order_or_of_different_phases_are_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot go from 7 back to 5"):
            interval(counted(5), counted(7))
        with pytest.raises(ValueError, match="the newer one has not"):
            interval(PhaseFigures(Phase.MEASUREMENT), counted(7))
        with pytest.raises(ValueError, match="no interval from WARMUP to MEASUREMENT"):
            interval(counted(5), replace(counted(1), phase=Phase.WARMUP))


class TestClientBound:
    @pytest.mark.parametrize(("busy_ns", "bound"), [(0, False), (950, False), (951, True), (1_000, True)])
    def test_a_loop_that_is_hardly_ever_idle_measures_itself(self, busy_ns: int, bound: bool) -> None:
        assert client_bound(GeneratorFigures(busy_ns, 1_000), p50_ms=10.0) is bound

    @pytest.mark.parametrize("p50_ms", [None, 0.1])
    def test_against_a_fast_target_lag_counts_from_the_fixed_limit_on(self, p50_ms: float | None) -> None:
        for share, bound in [(0.9, False), (1.1, True)]:
            assert client_bound(GeneratorFigures(10, 1_000, lag_of(share * LAG_LIMIT_MS)), p50_ms) is bound

    def test_against_a_slow_target_lag_counts_as_a_share_of_the_median(self) -> None:
        slow_p50_ms = 100 * LAG_LIMIT_MS
        for share, bound in [(0.9, False), (1.1, True)]:
            lag = lag_of(share * LAG_LIMIT_RATIO * slow_p50_ms)
            assert client_bound(GeneratorFigures(10, 1_000, lag), slow_p50_ms) is bound

    def test_a_generator_that_has_not_run_is_not_the_bottleneck(self) -> None:
        assert not client_bound(GeneratorFigures(), None)

    def test_busy_time_never_exceeds_all_of_it(self) -> None:
        assert GeneratorFigures(1_001, 1_000).busy_pct == 100.0
