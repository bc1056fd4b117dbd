"""The description of the API in the form of OpenAPI."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from upperbound.api.access.sessions import COOKIE
from upperbound.api.errors import MEDIA_TYPE
from upperbound.api.routes.runs import CreateRun
from upperbound.api.routes.templates import SaveTemplate
from upperbound.api.uploads import upload_schemas
from upperbound.views.live_payload import RunUpdateMessage

TAGS: Final = {
    "tests": "Runs: prepared from templates, started, stopped, listed, deleted.",
    "results": "What was measured, over time and query by query, and what was said meanwhile.",
    "live": "What a run shows while it goes on: `/ws/test/{run_id}` sends a `RunUpdateMessage` a second.",
    "runs": "The same for programs that bring their own scenario.",
    "templates": "Scenarios that are kept, with every version of each, and those that are built in.",
    "catalog": "What a target holds.",
    "controller": "The controller itself.",
    "access": "Logging in and out.",
}
SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "UPPERBOUND_AUTH_TOKEN of the controller."},
    "worker": {"type": "http", "scheme": "bearer", "description": "A token that workers of a run are started with."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Set by logging in."},
}
EXAMPLES: Final[Mapping[str, Any]] = {
    "ProblemDetails": {
        "type": "urn:upperbound:problem:run_not_found",
        "title": "There is no such run",
        "status": 404,
        "code": "run_not_found",
        "detail": "there is no run '20261123-101500-abc123' in the store",
        "hint": "`upperbound runs list` shows them",
        "instance": "/api/tests/20261123-101500-abc123",
        "problems": [],
    },
    "RunState": {
        "test_id": "20261123-101500-abc123",
        "run_id": "20261123-101500-abc123",
        "name": "orders by key",
        "status": "PREPARED",
        "phase": "PREPARING",
        "warnings": [],
    },
    "FromTemplate": {"overrides": ["load.duration_seconds=30", "load.threads=16"]},
    "StartRequest": {"credentials": {"password": "the target's password"}},
    "StopRequest": {"force": False},
    "RerunRequest": {"credentials": {"password": "the target's password"}},
    "PushedSnapshot": {
        "worker_id": "worker-0",
        "group_id": 0,
        "group_count": 2,
        "sequence": 12,
        "phase": "MEASUREMENT",
        "elapsed_s": 12.0,
        "operations": 12_000,
        "failed": 0,
        "qps": 1000.0,
        "p50_ms": 1.9,
        "p95_ms": 4.1,
        "p99_ms": 7.3,
        "active_threads": 8,
        "target_threads": 8,
        "figures": {"phase": "MEASUREMENT", "seconds": 12.0, "by_operation": {}},
    },
    "ListInput": {"url": "postgresql://app@127.0.0.1:5432/shop", "search": "ord"},
    "ObjectsInput": {"url": "postgresql://app@127.0.0.1:5432/shop", "schema": "public"},
    "ColumnsInput": {"url": "postgresql://app@127.0.0.1:5432/shop", "table": "public.orders"},
    "TargetInput": {"url": "postgresql://app@127.0.0.1:5432/shop"},
    "GenerateInput": {
        "url": "postgresql://app@127.0.0.1:5432/shop",
        "table": "public.orders",
        "preset": "READ_HEAVY",
    },
    "PreparePools": {"credentials": {"password": "the target's password"}},
    "Rename": {"name": "orders, mostly reads"},
    "Duplicate": {"name": "a copy of orders"},
    "Tags": {"tags": {"team": "data", "draft": None}},
    "UseTemplate": {"overrides": ["load.threads=200"]},
    "Health": {
        "status": "ok",
        "version": "0.1.0",
        "store": {"reachable": True, "latency_ms": 0.4, "reason": None},
        "leases": [{"run_id": "20261123-101500-abc123", "remaining_s": 5.6}],
    },
    "PushAnswer": {"again_in_s": 0.0},
    "Info": {"version": "0.1.0", "store": "sqlite", "owned_runs": ["20261123-101500-abc123"]},
}
"""An example for each body, and for answers that are short."""


def operation_id(route: APIRoute) -> str:
    """Return what programs that are generated from the description call an operation."""
    return route.name


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description; it is made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    document: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        license_info=app.license_info,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    components = document["components"]
    schemas = components["schemas"]
    for name, schema in upload_schemas((CreateRun, SaveTemplate)).items():
        schemas.setdefault(name, schema)
    for name, schema in _of_websockets().items():
        schemas.setdefault(name, schema)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    components["securitySchemes"] = SCHEMES
    # A controller that is open, as on the loopback address, asks for neither.
    document["security"] = [{"token": []}, {"session": []}, {}]
    for response in _responses(document):
        content = response.get("content", {})
        # The framework adds JSON beside what was said; problems have a media type of their own.
        if MEDIA_TYPE in content:
            content.pop("application/json", None)
    return document


def _of_websockets() -> dict[str, Any]:
    """Return the schemas of what is sent over WebSockets, which OpenAPI knows no operations for."""
    schema = RunUpdateMessage.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs")
    return {**parts, RunUpdateMessage.__name__: schema}


def _responses(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation["responses"].values()
