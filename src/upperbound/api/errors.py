"""Errors as problem details (RFC 9457): every one with a stable ``code`` and what to do about it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from upperbound.errors import (
    ConfigurationError,
    EmbeddedServerError,
    IllegalTransition,
    PortInUse,
    Problem,
    QueryLogError,
    RunFailed,
    RunNotFound,
    ScenarioError,
    StoreError,
    StoreUnreachable,
    StoreVersionError,
    TargetAuthFailed,
    TargetError,
    TargetMismatch,
    TargetUnreachable,
    TemplateConflict,
    TemplateNotFound,
    UpperboundError,
    WorkerFailed,
)
from upperbound.scenario.connection_url import mask_credentials
from upperbound.scenario.problem import PlacedProblem
from upperbound.views.view import View

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class ProblemEntry(View):
    """One of several things that are wrong."""

    where: str
    """A path to the place, such as ``load.threads``; empty for the input as a whole."""
    message: str
    hint: str
    """What to do about it; may be empty."""
    place: str | None = None
    """``line 17`` of a text that was sent; null where there is none."""


class ProblemDetails(View):
    """Why a request was not carried out."""

    type: str
    """A URN that ends in ``code``."""
    title: str
    """The same for every problem of this code."""
    status: int = Field(ge=400, le=599)
    code: str
    """What programs tell problems apart by; never changes."""
    detail: str
    """What happened, and to what."""
    hint: str
    """What to do next; may be empty."""
    instance: str
    """The path that was asked for."""
    problems: list[ProblemEntry] = Field(default_factory=list)
    """Everything that is wrong with the input, not only the first."""


@dataclass(frozen=True)
class Kind:
    """How a class of errors is told."""

    status: int
    code: str
    title: str


KINDS: Final[tuple[tuple[type[UpperboundError], Kind], ...]] = (
    (ScenarioError, Kind(422, "scenario_invalid", "The scenario is wrong")),
    (TargetMismatch, Kind(422, "target_mismatch", "The scenario does not fit the target")),
    (PortInUse, Kind(409, "port_in_use", "The port is taken")),
    (StoreVersionError, Kind(503, "store_version", "The store has another version's schema")),
    (ConfigurationError, Kind(422, "configuration_invalid", "The input cannot be used")),
    (StoreUnreachable, Kind(503, "store_unreachable", "The store cannot be reached")),
    (RunNotFound, Kind(404, "run_not_found", "There is no such run")),
    (TemplateNotFound, Kind(404, "template_not_found", "There is no such template")),
    (TemplateConflict, Kind(409, "template_conflict", "The template has changed, or its name is taken")),
    (StoreError, Kind(500, "store_failed", "The store failed")),
    (TargetAuthFailed, Kind(424, "target_auth_failed", "The target refuses the login")),
    (TargetUnreachable, Kind(424, "target_unreachable", "The target cannot be reached")),
    (TargetError, Kind(424, "target_failed", "The target failed")),
    (EmbeddedServerError, Kind(500, "embedded_server_failed", "The embedded server failed")),
    (QueryLogError, Kind(409, "query_log_unreadable", "The query log cannot be read")),
    (IllegalTransition, Kind(409, "run_state_conflict", "The run's state does not allow that")),
    (WorkerFailed, Kind(500, "worker_failed", "A worker failed")),
    (RunFailed, Kind(409, "run_not_possible", "The run cannot be done")),
    (UpperboundError, Kind(500, "failed", "The request failed")),
)
"""The first class that fits decides, so a class stands above its base."""

OTHERS: Final = {
    kind.status: kind
    for kind in (
        Kind(400, "bad_request", "The request cannot be read"),
        Kind(401, "not_authenticated", "Nobody is logged in"),
        Kind(403, "forbidden", "That is not allowed"),
        Kind(404, "not_found", "There is nothing here"),
        Kind(405, "method_not_allowed", "That cannot be done here"),
        Kind(413, "too_large", "The body is too large"),
        Kind(415, "unsupported_media_type", "The body is of another kind"),
        Kind(421, "misdirected", "The server has another name"),
        Kind(422, "request_invalid", "The request is wrong"),
        Kind(424, "target_failed", "The target failed"),
        Kind(429, "too_many_requests", "There were too many attempts"),
        Kind(409, "conflict", "The present state does not allow that"),
        Kind(500, "defect", "The server met a defect"),
        Kind(503, "store_unreachable", "The store cannot be reached"),
    )
}
"""Problems that are not of the error tree, by status; where a status has several codes, what all have in common."""


class ApiProblem(Exception):
    """A problem that the HTTP side itself has found."""

    def __init__(
        self, status: int, code: str, detail: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ):
        super().__init__(detail)
        self.status, self.code, self.detail, self.hint, self.headers = status, code, detail, hint, headers


def problem_response(
    path: str,
    status: int,
    code: str,
    detail: str,
    *,
    title: str = "",
    hint: str = "",
    problems: list[ProblemEntry] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response that tells of one problem."""
    body = ProblemDetails(
        type=f"urn:upperbound:problem:{code}",
        title=title or OTHERS[status].title,
        status=status,
        code=code,
        detail=mask_credentials(detail),
        hint=mask_credentials(hint),
        instance=path,
        problems=problems or [],
    )
    return JSONResponse(body.model_dump(mode="json"), status, headers, MEDIA_TYPE)


def kind_of(error: UpperboundError) -> Kind:
    """Return how an error of the tree is told."""
    return next(kind for cls, kind in KINDS if isinstance(error, cls))


def entries(problems: tuple[Problem, ...]) -> list[ProblemEntry]:
    """Return problems as they are told."""
    return [
        ProblemEntry(
            where=mask_credentials(problem.where),
            message=mask_credentials(problem.message),
            hint=mask_credentials(problem.hint),
            place=(problem.place or None) if isinstance(problem, PlacedProblem) else None,
        )
        for problem in problems
    ]


def install_handlers(app: FastAPI) -> None:
    """Let the application answer every error with problem details."""
    app.add_exception_handler(UpperboundError, _of_the_tree)
    app.add_exception_handler(ApiProblem, _of_the_api)
    app.add_exception_handler(RequestValidationError, _of_the_input)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _defect)


def _of_the_tree(request: Request, error: Exception) -> Response:
    assert isinstance(error, UpperboundError)
    kind = kind_of(error)
    if kind.status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    problems = entries(error.problems) if isinstance(error, ConfigurationError) else []
    return problem_response(
        request.url.path, kind.status, kind.code, error.message, title=kind.title, hint=error.hint, problems=problems
    )


def _of_the_api(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)
    path = request.url.path
    return problem_response(path, error.status, error.code, error.detail, hint=error.hint, headers=error.headers)


def _of_the_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What was sent is never quoted: it may be a password in the wrong place.
    problems = [
        ProblemEntry(where=".".join(map(str, one["loc"])), message=_message(one), hint="") for one in error.errors()
    ]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return problem_response(
        request.url.path,
        422,
        "request_invalid",
        f"the request has {count}",
        title="The request is wrong",
        problems=problems,
    )


def _message(detail: Mapping[str, Any]) -> str:
    return "is not valid JSON" if detail["type"] == "json_invalid" else str(detail["msg"])


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = OTHERS.get(error.status_code, OTHERS[400])
    detail = str(error.detail or kind.title)
    return problem_response(request.url.path, kind.status, kind.code, detail, headers=error.headers)


def _defect(request: Request, error: Exception) -> Response:
    log.error("%s %s met a defect", request.method, request.url.path, exc_info=error)
    detail = "the server met a defect of its own; its log has the details"
    return problem_response(request.url.path, 500, "defect", detail)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of an operation for its documentation."""
    return {
        status: {
            "model": ProblemDetails,
            "description": OTHERS[status].title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in statuses
    }


READ: Final = (401, 421, 422, 500, 503)
"""Problems of every operation that reads."""
CHANGE: Final = (*READ, 400, 403, 413)
"""Problems of every operation that changes something."""
