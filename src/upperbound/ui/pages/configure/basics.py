"""The name, the tags and the objectives of a scenario."""

from typing import Final

from upperbound.ui.components.fields import Field, Form
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import panel

OBJECTIVES: Final = {
    "p50_ms": ("p50 at most", "ms"),
    "p95_ms": ("p95 at most", "ms"),
    "p99_ms": ("p99 at most", "ms"),
    "mean_ms": ("Mean at most", "ms"),
    "max_ms": ("Slowest at most", "ms"),
    "error_pct": ("Errors at most", "%"),
    "min_qps": ("QPS at least", "op/s"),
}


def basics(form: Form) -> None:
    """Lay out the name and the tags."""
    with panel("Template"), Tag("div", cls="fields"):
        form.text("name", "Name", required=True, maxlength="200")
        _tags(form)


def objectives(form: Form) -> None:
    """Lay out the objectives of the run as a whole."""
    with panel("Objectives"), Tag("div", cls="stack"):
        Tag(
            "p",
            "A run that misses one of them says so, and its command exits with 6. Empty fields set none.",
            "muted small",
        )
        with Tag("div", cls="fields"):
            for key, (label, unit) in OBJECTIVES.items():
                form.number(f"slo.{key}", f"{label} ({unit})")


def _tags(form: Form) -> None:
    field = form.added(Field(form, "tags", "Tags", "key=value, apart by commas, such as team=data, purpose=release"))
    typed: dict[str, str] = form.draft.get("tags") or {}
    with field.place:
        control = Tag("input", cls="input", value=", ".join(f"{key}={value}" for key, value in typed.items()))

    async def take(text: str) -> None:
        form.draft.set("tags", parse_tags(text))
        await form.changed()

    control.typed(take)
    field.holds(control)


def parse_tags(text: str) -> dict[str, str]:
    """Return the tags of a line; a word without a value has an empty one."""
    tags = {}
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        if key.strip():
            tags[key.strip()] = value.strip()
    return tags
