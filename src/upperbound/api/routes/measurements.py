"""What was measured: over time, by worker, how it is spread, and what failed."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from upperbound.api.errors import READ, problem_responses
from upperbound.api.parameters import RunId
from upperbound.api.services import Services, in_thread
from upperbound.views.enrichment import EnrichmentStatusView, OverheadTimeline, load_enrichment, load_overhead
from upperbound.views.metrics import (
    POINTS,
    ErrorTimeline,
    MetricSeries,
    WorkerMetrics,
    load_error_timeline,
    load_metrics,
    load_worker_metrics,
)
from upperbound.views.statistics import (
    LatencyHistogram,
    RunErrors,
    Statistics,
    load_errors,
    load_latency_histogram,
    load_statistics,
)
from upperbound.views.warehouse import (
    WarehouseDetails,
    WarehouseSeries,
    load_warehouse_details,
    load_warehouse_series,
)

router = APIRouter(prefix="/api/tests/{test_id}", tags=["results"], responses=problem_responses(*READ, 404))

Points = Annotated[int, Query(ge=10, le=2_000, description="About how many points at most, when no step is given.")]
Step = Annotated[float | None, Query(ge=1, le=3_600, description="Seconds of each point.")]


@router.get("/metrics", summary="Over time")
async def metrics(test_id: RunId, services: Services, points: Points = POINTS, step_s: Step = None) -> MetricSeries:
    """Return throughput, latencies, threads and errors over time, of all workers together and by kind.

    Percentiles are merged from the workers' histograms.
    """
    find = partial(load_metrics, services.store, test_id, points=points, step_s=step_s)
    return await in_thread(services.answers.ask, test_id, ("metrics", points, step_s), find)


@router.get("/worker-metrics", summary="Over time, by worker")
async def worker_metrics(
    test_id: RunId, services: Services, points: Points = POINTS, step_s: Step = None
) -> WorkerMetrics:
    """Return the same for each worker."""
    find = partial(load_worker_metrics, services.store, test_id, points=points, step_s=step_s)
    return await in_thread(services.answers.ask, test_id, ("worker-metrics", points, step_s), find)


@router.get("/statistics", summary="Spread")
async def statistics(test_id: RunId, services: Services) -> Statistics:
    """Return mean, lowest, highest and standard deviation of latencies and of the rate of each second.

    Also whether the rate rose or fell within the measurement.
    """
    find = partial(load_statistics, services.store, test_id, home=services.home)
    return await in_thread(services.answers.ask, test_id, "statistics", find)


@router.get("/latency-histogram", summary="Distribution of latencies")
async def latency_histogram(test_id: RunId, services: Services) -> LatencyHistogram:
    """Return the bars of a histogram and the percentile curve, of all operations and by kind."""
    find = partial(load_latency_histogram, services.store, test_id)
    return await in_thread(services.answers.ask, test_id, "latency-histogram", find)


@router.get("/error-timeline", summary="Failures over time")
async def error_timeline(
    test_id: RunId, services: Services, points: Points = POINTS, step_s: Step = None
) -> ErrorTimeline:
    """Return how many operations failed when, by class."""
    find = partial(load_error_timeline, services.store, test_id, points=points, step_s=step_s)
    return await in_thread(services.answers.ask, test_id, ("error-timeline", points, step_s), find)


@router.get("/errors", summary="Failures by class and message")
async def errors(test_id: RunId, services: Services) -> RunErrors:
    """Return classes of failures with a sample of each, and what they said."""
    find = partial(load_errors, services.store, test_id, home=services.home)
    return await in_thread(services.answers.ask, test_id, "errors", find)


@router.get("/warehouse-details", summary="The warehouse now")
async def warehouse_details(test_id: RunId, services: Services) -> WarehouseDetails:
    """Return what Snowflake said of the warehouse at the last look, which is every five seconds while the run goes on.

    A target without a warehouse has nothing here but a note.
    """
    return await in_thread(load_warehouse_details, services.store, test_id)


@router.get("/warehouse-timeseries", summary="The warehouse over time")
async def warehouse_timeseries(test_id: RunId, services: Services) -> WarehouseSeries:
    """Return clusters, and queries that ran and waited, at every look."""
    return await in_thread(load_warehouse_series, services.store, test_id)


@router.get("/enrichment-status", summary="What the server says")
async def enrichment_status(test_id: RunId, services: Services) -> EnrichmentStatusView:
    """Return how far the server's own view of the run has been fetched, why no further, and everything that it says.

    Calls are matched with Snowflake's history. Percentiles of less than half of the calls are withheld.
    """
    return await in_thread(load_enrichment, services.store, test_id)


@router.get("/overhead-timeseries", summary="Client time less server time, over time")
async def overhead_timeseries(test_id: RunId, services: Services) -> OverheadTimeline:
    """Return what the client waited longer than the server took, for calls of one statement and one attempt."""
    return await in_thread(load_overhead, services.store, test_id)
