"""The reference page is what the application says, and the description is complete."""

from pathlib import Path
from typing import Any

import pytest

from upperbound.api.app import description
from upperbound.api.documentation import TAGS
from upperbound.api.errors import MEDIA_TYPE
from upperbound.api.reference import reference_page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "http-api.md"
DESCRIPTION: Any = description()
OPERATIONS: list[tuple[str, Any]] = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
]
WITHOUT_PROBLEMS = {"GET /health"}
"""What answers even when it has nothing good to tell."""


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == reference_page(), (
        "run python -m upperbound.api.reference > docs/reference/http-api.md"
    )


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_an_operation_says_what_it_does_takes_and_answers(name: str, operation: Any) -> None:
    assert operation["summary"]
    assert str(operation["description"]).endswith(".")
    assert set(operation["tags"]) <= set(TAGS)
    responses = operation["responses"]
    problems = {status: response for status, response in responses.items() if int(status) >= 400}
    assert problems
    if name not in WITHOUT_PROBLEMS:
        assert all(list(response["content"]) == [MEDIA_TYPE] for response in problems.values())
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), parameter["name"]


def test_every_body_has_an_example() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    silent = []
    for name, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        schema = content.get("schema", {})
        named = [one["$ref"].rpartition("/")[2] for one in [schema, *schema.get("anyOf", [])] if "$ref" in one]
        fields = [field for one in named for field in schemas[one].get("properties", {}).values()]
        examples = [one for one in named if schemas[one].get("examples")] or [
            one for one in fields if "examples" in one
        ]
        if content and not (examples or content.get("examples")):
            silent.append(name)
    assert silent == []


def test_ids_of_operations_are_unique() -> None:
    ids = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
