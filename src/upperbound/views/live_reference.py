"""What viewers of a run are sent, described from its models.

``python -m upperbound.views.live_reference > docs/reference/live.md`` writes the page.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from upperbound.views.live_payload import RunUpdateMessage

_INTRODUCTION: Final = """\
# Live values

`/ws/test/{run_id}` is a WebSocket on the address of `upperbound serve`. It sends a run as it is: one message a second
while the run is on its way, one more at each change of its state, and a last one when it is over. Each is complete in
itself.

```python
import json

from websockets.sync.client import connect

with connect("ws://127.0.0.1:8000/ws/test/RUN") as updates:
    for text in updates:
        data = json.loads(text)["data"]
        print(data["phase"], data["timing"]["elapsed_display_seconds"], data["ops"]["current_per_sec"])
```

A server that wants a login wants it here too: the cookie of a session, or `Authorization: Bearer TOKEN`. Pages of
other sites are refused. What a viewer sends is not looked at.

**Before the start** there is one message with the prepared run, and nothing more until it starts or is stopped.

**At the end** there is a message with `final: true`, whose figures are those of the whole measurement, and the server
closes:

| code | means |
|---|---|
| 1000 | The run is over. |
| 1011 | The server met a defect; its log has the details. |
| 1012 | The server ends; the run may go on. Connect again. |
| 1013 | The store could not be read at all. Try again later. |
| 4404 | There is no such run, or no more. |
| 4429 | 1,000 viewers watch already. |

**Slow viewers** are sent the next message when they have answered the ping that follows each, as every WebSocket
client does by itself, and that next one is the newest. A viewer that answers no ping for 20 s is cut off.

**Missed messages**: `sequence` rises by one with each. Whoever finds a gap, or has connected again, has all figures
with the next message. What charts and logs lack is read over HTTP: `GET /api/tests/{run_id}/metrics`, and `GET
/api/tests/{run_id}/logs` from the last line that was seen; `logs_after` tells whether any were missed.

Times are by the store's clock and never go back. Latencies are milliseconds. Counts are those of the phase so far,
warmup or measurement, as `run.phase_metrics.phase` says; rates and percentiles are those of the last second or so.

This page is generated from the models (`python -m upperbound.views.live_reference`). [How live values
travel](../explanation/live-values.md) has the reasons.
"""
_TOP: Final = "The message"


def reference_page() -> str:
    """Return the page in Markdown."""
    schema = RunUpdateMessage.model_json_schema(mode="serialization")
    parts = [_INTRODUCTION, _section(_TOP, schema, schema)]
    for name, places in _places(schema).items():
        parts.append(_section(", ".join(f"`{place}`" for place in places), schema["$defs"][name], schema))
    return "\n".join(parts)


def _places(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return every object of the message by its name, each with the places where it is found, in reading order."""
    found: dict[str, list[str]] = {}

    def look(of: Mapping[str, Any], place: str) -> None:
        for key, value in of.get("properties", {}).items():
            for name, way in _objects(value, schema):
                inner = f"{place}.{key}".removeprefix(".") + way
                known = found.setdefault(name, [])
                if inner not in known:
                    known.append(inner)
                    look(schema["$defs"][name], inner)

    look(schema, "")
    return found


def _objects(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the objects that a value is or holds, with the way from the value to them."""
    if "$ref" in value:
        name = _name(value)
        if "properties" in schema["$defs"][name]:
            yield name, ""
    for option in value.get("anyOf", ()):
        yield from _objects(option, schema)
    if value.get("type") == "array":
        for name, way in _objects(value.get("items", {}), schema):
            yield name, f"[]{way}"
    if isinstance(inner := value.get("additionalProperties"), Mapping):
        for name, way in _objects(inner, schema):
            yield name, f".*{way}"


def _section(title: str, of: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    lines = [f"## {title}", "", _line(of.get("description", "")), "", "| key | value | meaning |", "|---|---|---|"]
    for key, value in of["properties"].items():
        lines.append(f"| `{key}` | {_type(value, schema)} | {_line(_meaning(value, schema))} |")
    return "\n".join([*lines, ""])


def _meaning(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return what is said of a value, else of the one object that it is."""
    if said := value.get("description"):
        return str(said)
    objects = list(_objects(value, schema))
    return str(schema["$defs"][objects[0][0]].get("description", "")).partition("\n\n")[0] if objects else ""


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return in words what a value is."""
    if "$ref" in value:
        value = schema["$defs"][_name(value)]
    if options := value.get("anyOf"):
        return " or ".join(dict.fromkeys(_type(option, schema) for option in options))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    kind = str(value.get("type"))
    if kind == "array":
        return f"list of {_type(value['items'], schema)}"
    if kind == "string" and value.get("format") == "date-time":
        return "time"
    words = {"integer": "whole number", "string": "text", "boolean": "truth value", "null": "null", "number": "number"}
    return words.get(kind, "object")


def _name(value: Mapping[str, Any]) -> str:
    return str(value["$ref"]).rpartition("/")[2]


def _line(text: str) -> str:
    """Return a docstring as one line of Markdown."""
    plain = text.replace(":class:", "").replace("``", "`")
    return " ".join(plain.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference_page())
