"""The API described from its OpenAPI document, as a page.

``python -m upperbound.api.reference > docs/reference/http-api.md`` writes the page.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from upperbound.api.app import description
from upperbound.api.documentation import TAGS
from upperbound.api.errors import KINDS, OTHERS

_INTRODUCTION: Final = """\
# HTTP API

`upperbound serve` answers at `http://127.0.0.1:8000` unless told otherwise. [Run the
controller](../how-to/run-the-controller.md) says who may ask. The same description for programs is at
`/api/openapi.json`, and a page to try it out at `/api/docs`.

This page is generated from the application (`python -m upperbound.api.reference`).

Bodies and answers are JSON. Times are UTC, durations are seconds by the store's clock, latencies are milliseconds.
Lists come in pages: `page` counts from 1, and the answer has `items`, `page`, `page_size`, `total` and `pages`. A
scenario in a body is JSON or a text in YAML; where *YAML* is given below, the body may be the YAML itself
(`application/yaml`).
"""
_PROBLEMS: Final = """\
## Problems

Every error is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `code`, `detail`, `hint`,
`instance` and `problems`. `code` never changes; `problems` lists everything that is wrong with an input, each with
`where`, `message`, `hint` and, of a text, its `place`. What was sent is never quoted from a body that could not be
read.

| code | status | when |
|---|---|---|"""
_OTHERS: Final = {
    "login_refused": (401, "The name or the password is wrong"),
    "cross_origin": (403, "The request comes from a page of another site"),
}
"""Problems that are found before a request has a route."""


def reference_page() -> str:
    """Return the page in Markdown."""
    document = description()
    parts = [_INTRODUCTION]
    for tag, about in TAGS.items():
        parts += [f"## {tag.capitalize()}\n\n{about}\n", *_operations(document, tag)]
    parts.append("\n".join([_PROBLEMS, *_problems()]) + "\n")
    return "\n".join(parts)


def _operations(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if tag in operation["tags"]:
                yield _operation(document, method.upper(), path, operation)


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"### {method} {path}", "", _sentence(operation["description"]), ""]
    rows = [*_parameters(operation), *_body(document, operation)]
    if rows:
        lines += ["| takes | | |", "|---|---|---|", *rows, ""]
    lines += [_answers(operation), ""]
    return "\n".join(lines)


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        where = {"path": "in the path", "query": "query"}.get(parameter["in"], parameter["in"])
        schema = parameter["schema"]
        default = f" Default: `{_word(schema['default'])}`." if schema.get("default") not in (None, "", []) else ""
        yield f"| `{parameter['name']}` | {where} | {_cell(parameter.get('description', ''))}{default} |"


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = _resolved(document, content.get("application/json", {}).get("schema", {}))
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        needed = "body, required" if name in required else "body"
        yield f"| `{name}` | {needed} | {_cell(field.get('description', ''))} |"
    if "application/yaml" in content:
        yield "| *YAML* | body | The scenario by itself. |"


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an object that may be named, and may be left out."""
    options = [schema, *schema.get("anyOf", ())]
    for option in options:
        if "$ref" in option:
            found: Mapping[str, Any] = document["components"]["schemas"][option["$ref"].rpartition("/")[2]]
            return found
    return schema


def _answers(operation: Mapping[str, Any]) -> str:
    """Return what comes back, and which problems may."""
    parts = []
    statuses = operation["responses"]
    for status, response in statuses.items():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2] or schema.get("title", "")
        if int(status) < 400:
            parts.append(f"{status} {name}".strip())
    problems = sorted(int(status) for status in statuses if int(status) >= 400)
    return f"Answers {', or '.join(parts)}. Problems: {', '.join(map(str, problems)) or 'none'}."


def _problems() -> Iterator[str]:
    known = {kind.code: (kind.status, kind.title) for _, kind in KINDS}
    known = {kind.code: (kind.status, kind.title) for kind in OTHERS.values()} | known
    for code, (status, title) in sorted((known | _OTHERS).items(), key=lambda item: (item[1][0], item[0])):
        yield f"| `{code}` | {status} | {title} |"


def _sentence(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return " ".join(_sentence(text).split()).replace("|", "\\|")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
