"""Metrics for Prometheus."""

from fastapi import APIRouter
from starlette.responses import Response

from upperbound.api.errors import problem_responses
from upperbound.api.prometheus import CONTENT_TYPE
from upperbound.api.services import Services, in_thread

router = APIRouter(tags=["controller"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        **problem_responses(401, 421, 500),
        200: {"description": "In the text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
async def prometheus_metrics(services: Services) -> Response:
    """Return runs, throughput, latencies, workers, and how long ticks and the store take."""
    return Response(await in_thread(services.metrics.text), media_type=CONTENT_TYPE)
