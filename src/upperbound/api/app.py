"""The application: its routes, its errors, and the guard before it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request

import upperbound
from upperbound.api.access.guard import Access, Guard
from upperbound.api.access.policy import AccessPolicy
from upperbound.api.documentation import describe, operation_id
from upperbound.api.errors import ApiProblem, install_handlers
from upperbound.api.live.hub import LiveHub
from upperbound.api.routes import (
    catalog,
    docs,
    health,
    info,
    live,
    login,
    logs,
    measurements,
    prometheus,
    query_log,
    runs,
    templates,
    tests,
    value_pools,
)
from upperbound.api.services import ControllerServices, in_thread

ROUTERS: Final[Sequence[APIRouter]] = (
    tests.router,
    measurements.router,
    query_log.router,
    logs.router,
    runs.router,
    catalog.router,
    templates.router,
    value_pools.router,
    info.router,
    live.router,
    login.router,
    health.router,
    prometheus.router,
    docs.router,
)
"""One for each resource."""
DESCRIPTION: Final = """\
Prepare, start, watch and stop benchmarks, and read what they have measured.

Every error is a problem document (RFC 9457) with a `code` that never changes; input with several faults is answered
with all of them. Times are UTC, durations are seconds by the store's clock, latencies are milliseconds."""


def create_app(services: ControllerServices, policy: AccessPolicy) -> FastAPI:
    """Return the application; whoever mounts more on it does so before it serves."""
    app = _routed()
    app.state.services = services
    app.state.live = LiveHub(services.store, services.clock, pushes=services.pushes)
    app.state.access = access = Access(policy, services.clock, services.admits_worker)
    install_handlers(app)
    app.add_middleware(Guard, access=access)
    app.add_api_route("/api/{path:path}", _unknown, methods=_METHODS, include_in_schema=False)
    return app


def description() -> dict[str, Any]:
    """Return the description of the API, as ``/api/openapi.json`` answers it."""
    return describe(_routed())


def _routed() -> FastAPI:
    """Return an application with its routes and nothing that they could work with."""
    app = FastAPI(
        title="Upperbound",
        description=DESCRIPTION,
        version=upperbound.__version__,
        openapi_url=docs.OPENAPI_URL,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # the framework's way to say it
    for router in ROUTERS:
        app.include_router(router)
    return app


_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Look after runs, and show them, for as long as the application serves."""
    services: ControllerServices = app.state.services
    live: LiveHub = app.state.live
    live.open()
    services.controller.listen(live.hear)
    services.controller.open()
    try:
        yield
    finally:
        await live.close()
        await in_thread(services.controller.close)


async def _unknown(request: Request) -> None:
    """Answer for every path below /api that is no route, so that no page is shown in its place."""
    contexts = iter_route_contexts(request.app.router.routes)
    fitting = [one for one in contexts if one.path_regex and one.path_regex.match(request.url.path)]
    allowed = {method for one in fitting if one.name != _unknown.__name__ for method in one.methods or ()}
    if allowed:
        detail, headers = f"{request.method} is not possible here", {"Allow": ", ".join(sorted(allowed))}
        raise ApiProblem(405, "method_not_allowed", detail, headers=headers)
    raise ApiProblem(404, "not_found", "there is nothing at this path", hint="/api/docs lists what there is")
