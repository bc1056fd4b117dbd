"""What charts draw: options without code in them, from series and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from upperbound.domain.find_max_steps import Limiter, Purpose
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase
from upperbound.ui.charts.axes import Line, TimeChart, time_options
from upperbound.ui.charts.distribution import curve_options, histogram_options, nines
from upperbound.ui.charts.failures import SHOWN, failures_options
from upperbound.ui.charts.run_series import RunShape, bands, errors, latency, reads_and_writes, threads, throughput
from upperbound.ui.charts.steps import steps_options
from upperbound.ui.series import columns_of
from upperbound.views.find_max import FindMaxStepView, FindMaxView
from upperbound.views.metrics import ErrorCount, ErrorTimeline, MetricPoint, MetricSeries
from upperbound.views.statistics import distribution

SHAPE = RunShape(warmup_s=5, duration_s=20, open_loop=True, writes=True, limits={"p95": 8.0}, min_qps=500.0)
COLUMNS = {"qps": [(1.0, 100.0), (2.0, 110.0)], "p95": [(1.0, 3.0)]}
BUILDERS = (throughput, latency, threads, errors, reads_and_writes)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from strings(key)
            yield from strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry)


@pytest.mark.parametrize("build", BUILDERS)
def test_options_hold_no_code_and_take_their_colours_from_the_theme(build: Any) -> None:
    options = time_options(build(SHAPE, COLUMNS))
    assert json.loads(json.dumps(options)) == options
    texts = list(strings(options))
    assert not [text for text in texts if "=>" in text or "function" in text or text.startswith((":", "#"))]
    assert any(text.startswith("var(--") for text in texts)


@pytest.mark.parametrize("build", BUILDERS)
def test_lines_of_a_chart_differ_in_more_than_their_colour(build: Any) -> None:
    series = time_options(build(SHAPE, COLUMNS))["series"]
    assert len({one["lineStyle"]["type"] for one in series}) == len(series)
    assert len({one["name"] for one in series}) == len(series)


@pytest.mark.parametrize(
    ("last_s", "planned_s", "end"), [(0, 25, 25), (0, 600, 60), (61, 600, 120), (500, 600, 600), (610, 600, 610)]
)
def test_the_axis_of_a_long_run_grows_with_it(last_s: float, planned_s: float, end: float) -> None:
    line = Line("qps", "QPS", [(last_s, 5.0)])
    chart = TimeChart([line], "@rate", "op/s", planned_s=planned_s, grows=True)
    assert time_options(chart)["xAxis"]["max"] == end


def test_the_axis_reaches_to_the_planned_end_from_the_first_second_on_and_further_when_the_run_does() -> None:
    assert time_options(throughput(SHAPE, {}))["xAxis"]["max"] == 25
    assert time_options(throughput(SHAPE, {"qps": [(31.0, 5.0)]}))["xAxis"]["max"] == 31.0


def test_phases_are_bands_with_names_and_a_run_without_warmup_has_one() -> None:
    area = time_options(throughput(SHAPE, COLUMNS))["series"][0]["markArea"]["data"]
    assert [(begin["name"], begin["xAxis"], end["xAxis"]) for begin, end in area] == [
        ("Warmup", 0.0, 5),
        ("Measurement", 5, 25),
    ]
    assert [band.name for band in bands(RunShape(0, 20, open_loop=False, writes=False, limits={}))] == ["Measurement"]


def test_objectives_are_lines_to_hold_the_series_against() -> None:
    marks = time_options(latency(SHAPE, COLUMNS))["series"][0]["markLine"]["data"]
    assert [(mark["name"], mark["yAxis"]) for mark in marks] == [("p95 objective", 8.0)]
    marks = time_options(throughput(SHAPE, COLUMNS))["series"][0]["markLine"]["data"]
    assert [(mark["name"], mark["yAxis"]) for mark in marks] == [("objective", 500.0)]


def test_the_rate_to_offer_is_drawn_in_an_open_loop_alone() -> None:
    closed = RunShape(5, 20, open_loop=False, writes=True, limits={})
    assert "target" in {line.key for line in throughput(SHAPE, COLUMNS).lines}
    assert "target" not in {line.key for line in throughput(closed, COLUMNS).lines}


def test_charts_of_finished_runs_can_be_zoomed() -> None:
    assert time_options(throughput(SHAPE, COLUMNS, live=True))["dataZoom"] == []
    kinds = [zoom["type"] for zoom in time_options(throughput(SHAPE, COLUMNS))["dataZoom"]]
    assert kinds == ["inside", "slider"]


def test_a_gap_stays_a_gap() -> None:
    line = Line("qps", "QPS", [(1.0, 5.0), (2.0, None), (3.0, 6.0)])
    (series,) = time_options(TimeChart([line], "@rate", "op/s"))["series"]
    assert series["data"] == [[1.0, 5.0], [2.0, None], [3.0, 6.0]]
    assert series["connectNulls"] is False


def metric_point(elapsed_s: float, *, workers: int = 1) -> MetricPoint:
    return MetricPoint(
        elapsed_s=elapsed_s,
        seconds=1.0,
        phase=Phase.MEASUREMENT,
        qps=90.0,
        reads_per_s=60.0,
        writes_per_s=30.0,
        failed_per_s=10.0,
        error_pct=10.0,
        target_qps=None,
        p50_ms=1.0,
        p95_ms=2.0,
        p99_ms=3.0,
        p999_ms=None,
        mean_ms=1.1,
        active_threads=8,
        target_threads=8,
        workers=workers,
        generator_busy_pct=5.0,
        by_kind={},
    )


def test_stored_points_become_the_columns_that_live_updates_go_on_with() -> None:
    series = MetricSeries(
        run_id="r",
        step_seconds=1.0,
        phases=[],
        read_only=False,
        latency_aggregation_method="hdr_histogram_merge",
        points=[metric_point(1.04), metric_point(2.0, workers=0)],
    )
    columns = columns_of(series)
    assert columns["qps"] == [(1.0, 90.0), (2.0, None)]
    assert columns["attempted"][0] == (1.0, 100.0)
    assert columns["errors"][0] == (1.0, 10.0)
    for build in BUILDERS:
        assert {line.key for line in build(SHAPE, {}).lines} <= set(columns)


def step(number: int, threads: int, *, failed: bool = False) -> FindMaxStepView:
    return FindMaxStepView(
        step=number,
        purpose=Purpose.CLIMB,
        threads=threads,
        seconds=5.0,
        operations=100,
        failed=0,
        error_pct=0.0,
        qps=100.0 * number,
        p50_ms=1.0,
        p95_ms=2.0,
        p99_ms=3.0,
        verdict="failed" if failed else "passed",
        limiter=Limiter.LATENCY if failed else None,
        reason="too slow" if failed else None,
    )


def search(*steps: FindMaxStepView, best: int | None = None) -> FindMaxView:
    nothing = dict.fromkeys(FindMaxView.model_fields)
    return FindMaxView(**{**nothing, "steps": steps, "best_threads": best})


def test_failed_steps_have_another_shape_and_the_best_number_of_threads_is_marked() -> None:
    passed, failed, p95 = steps_options(search(step(1, 5), step(2, 15), step(3, 25, failed=True), best=15))["series"]
    assert [point[0] for point in passed["data"]] == [5, 15]
    assert [point[0] for point in failed["data"]] == [25]
    assert passed["symbol"] != failed["symbol"] != p95["symbol"]
    assert passed["markLine"]["data"][0]["xAxis"] == 15


def test_the_tail_has_as_much_room_for_each_nine() -> None:
    assert [round(nines(percentile), 6) for percentile in (0.0, 90.0, 99.0, 99.9)] == [0.0, 1.0, 2.0, 3.0]
    assert nines(100.0) == 6.0


def test_the_distribution_counts_every_operation() -> None:
    histogram = Histogram.from_values(range(100, 10_000, 7))
    found = distribution(histogram)
    bars = histogram_options(found)
    assert sum(bars["series"][0]["data"]) == found.count == histogram.total
    curves = curve_options(found, {"READ": found, "WRITE": found})["series"]
    assert [one["name"] for one in curves] == ["All", "READ", "WRITE"]
    assert curves[0]["data"] == sorted(curves[0]["data"])


def test_failures_are_stacked_by_class_and_rare_classes_are_put_together() -> None:
    classes = [f"class {number}" for number in range(SHOWN + 2)]
    count = ErrorCount(
        elapsed_s=2.0,
        seconds=2.0,
        phase=Phase.MEASUREMENT,
        operations=10,
        failed=2 * len(classes),
        error_pct=50.0,
        by_class=dict.fromkeys(classes, 2),
    )
    timeline = ErrorTimeline(run_id="r", step_seconds=2.0, phases=[], classes=classes, points=[count])
    series = failures_options(timeline, [], 25.0)["series"]
    assert [one["name"] for one in series] == [*classes[:SHOWN], "others"]
    assert {one["stack"] for one in series} == {"failures"}
    assert sum(one["data"][0][1] for one in series) == len(classes)
