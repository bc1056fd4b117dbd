"""The description of the API holds for every operation: no defect, and no answer that it does not mention."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from tests.integration.api.serving import ANSWER_S, Serving, serving

from upperbound.api.app import description
from upperbound.store.engine import open_store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
EXAMPLES = 10
"""Requests made up for each operation, right and wrong."""
DESCRIPTION = description()
OPERATIONS = [(method, path) for path, methods in DESCRIPTION["paths"].items() for method in methods]
TAKE_SOMETHING = [
    (method, path)
    for method, path in OPERATIONS
    if {"parameters", "requestBody"} & DESCRIPTION["paths"][path][method].keys()
]


@pytest.fixture(scope="module")
def poked(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that is asked for anything."""
    home = tmp_path_factory.mktemp("poked")
    with open_store(f"sqlite:///{home}/store.db") as store, serving(store, home, target) as served:
        yield served


@pytest.fixture(scope="module")
def known(poked: Serving) -> dict[str, str]:
    """What there is to be asked about, by the name of the parameter."""
    run_id = poked.finished(duration_seconds=1)
    template = poked.http.post("/api/templates", json={"scenario": poked.scenario()}).json()["template_id"]
    return {"test_id": run_id, "run_id": run_id, "template_id": template}


def ask(poked: Serving, strategy: Any) -> None:
    """Send made-up requests and hold every answer against the description."""

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=strategy)
    def each(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=poked.base_url, checks=CHECKS, timeout=ANSWER_S)

    each()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_is_described(poked: Serving, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(DESCRIPTION)[path][method.upper()]
    ask(poked, operation.as_strategy(schemathesis.GenerationMode.POSITIVE))


@pytest.mark.parametrize(("method", "path"), TAKE_SOMETHING)
def test_so_is_every_answer_to_a_wrong_question(poked: Serving, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(DESCRIPTION)[path][method.upper()]
    ask(poked, operation.as_strategy(schemathesis.GenerationMode.NEGATIVE))


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path in OPERATIONS if "{" in path and method != "delete"]
)
def test_so_is_every_answer_about_what_there_is(poked: Serving, known: dict[str, str], method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(DESCRIPTION)[path][method.upper()]
    fixed = {name: value for name, value in known.items() if f"{{{name}}}" in path}
    ask(poked, operation.as_strategy(path_parameters=fixed))
