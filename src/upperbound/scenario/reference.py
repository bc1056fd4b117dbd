"""The scenario format described from its models: a reference page, and a JSON Schema for editors.

``python -m upperbound.scenario.reference > docs/reference/scenario.md`` writes the page.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from upperbound.scenario.kinds import TYPE_OF_KIND
from upperbound.scenario.loader import builtin_text
from upperbound.scenario.model import Scenario
from upperbound.scenario.presets import SHARES_PCT
from upperbound.scenario.sections import EACH, TAGS_UNSAID, Section, sections
from upperbound.scenario.unsupported import unsupported_names

_INTRODUCTION = """\
# Scenarios

A scenario is the complete description of a run, in YAML or JSON: `upperbound run scenario.yaml`. A key that is not
listed here is an error. `--set load.threads=50` replaces one value from the command line, and
`--set workload.operations.0.weight_pct=60` one in a list, counted from 0.

This page is generated from the models (`python -m upperbound.scenario.reference`).

YAML is read as its version 1.2 says: `on`, `yes` and `2025-01-01` are text, `true` and `false` are the only truth
values, and a key that is there twice is an error.
"""
_STATEMENTS = """\
## Statements

- An operation is one statement (`sql`), or several that belong together (`statements`). Each is prepared once per
  connection, led by the comment `/* UB_KIND=POINT_LOOKUP */`.
- `statements` are one transaction: BEGIN and COMMIT are sent around them and are not written. With `autocommit: true`
  they are sent in the same order, and each commits by itself.
- `$1`, `$2` … take their values from `params`, in this order; each may be used several times. In one execution of
  several statements `$1` is the same value in all of them.
- `retry` repeats an execution with the same values, as in `retry: {serialization_failure: 10, deadlock: 3}`. Only
  outcomes after which nothing was kept can be named: `serialization_failure`, `deadlock`, `lock_timeout` and
  `statement_timeout`.
- `{table}` is the target table, quoted. A name without quotes is folded to lower case, as PostgreSQL does; `"Orders"`
  in double quotes keeps its case. Within strings and comments `{table}` is left alone.
- Statements for Snowflake may write `?` for each parameter instead, which then takes the next entry of `params`,
  counted over all statements of the operation. Names without quotes are folded to upper case there.
- Views and dynamic tables are for reading: a statement that writes to `{table}` is refused when that is one.
"""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file; editors complete and check with it."""
    schema = Scenario.model_json_schema()
    schema["$defs"]["Operation"]["required"].remove("weight_pct")  # which a preset may give
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def reference_page() -> str:
    """Return the reference page in Markdown."""
    parts = [_INTRODUCTION]
    # What a list is made of is what parameters are, and described there.
    parts += [_section(section) for section in sections() if "list" not in section.place]
    parts += [
        _STATEMENTS,
        _presets(),
        _not_yet(),
        "## A complete example\n\n```yaml\n" + builtin_text("demo") + "```\n",
    ]
    return "\n".join(parts)


def _section(section: Section) -> str:
    """Return the heading, the explanation and the keys of one place."""
    place = ".".join(section.place).replace(f".{EACH}", "[]")
    title = f"## `{place}`" if place else "## The top level"
    if section.tag is not None:
        title += f" ({section.tag})"
    lines = [title, "", _markdown(section.model.__doc__ or ""), ""]
    schema = section.model.model_json_schema()
    unsaid = TAGS_UNSAID.get(section.place) == section.tag
    if rows := list(_rows(schema, picks_model=section.tag is not None and not unsaid)):
        lines += ["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _rows(schema: Mapping[str, Any], *, picks_model: bool) -> Iterator[str]:
    """Yield one table row for each key of a model; a word that picks the model among others must be given."""
    required = schema.get("required", ())
    for key, value in schema.get("properties", {}).items():
        resolved = _resolve(value, schema)
        must = key in required or (picks_model and key in ("kind", "mode"))
        default = "required" if must else _default(value.get("default"))
        meaning = _markdown(value.get("description") or resolved.get("description", ""))
        yield f"| `{key}` | {_type(value, schema)} | {default} | {meaning} |"


def _resolve(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference within ``schema`` points to, or ``value`` itself."""
    name = str(value.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = schema["$defs"][name] if name else value
    return found


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return in words what a value must be."""
    value = _resolve(value, schema)
    if options := value.get("anyOf") or value.get("oneOf"):
        names = [_type(option, schema) for option in options if option.get("type") != "null"]
        if len(names) == 2 and names[0].startswith("number") and names[1] == "text":
            names = names[:1]  # pydantic takes decimals as text too, which is of no use to a reader
        return " or ".join(dict.fromkeys(names))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    kind = value.get("type")
    if kind == "array" and "prefixItems" in value:
        return "`[lowest, highest]`"
    if kind == "array":
        return f"list of {_type(value['items'], schema)}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "truth value"}
    return words.get(str(kind), "mapping") + (_limits(value) if kind in ("integer", "number") else "")


def _limits(value: Mapping[str, Any]) -> str:
    """Return the limits of a number in words; those of a ``bigint`` go without saying."""
    words = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))
    limits = [f"{word} {value[key]:.15g}" for key, word in words if key in value and abs(value[key]) < 2**53]
    return f" {' '.join(limits)}" if limits else ""


def _default(value: Any) -> str:
    """Return a default as it would be written; nothing for null."""
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, Mapping):
        said = {key: item for key, item in value.items() if item is not None}
        return "`{" + ", ".join(f"{key}: {item}" for key, item in said.items()) + "}`"
    return f"`{value:.15g}`" if isinstance(value, float) else f"`{value}`"


def _markdown(text: str) -> str:
    """Return a docstring as one line of Markdown."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def _presets() -> str:
    """Return the table of presets."""
    kinds = list(TYPE_OF_KIND)
    lines = [
        "## Presets",
        "",
        "A preset gives weights to operations that state none, and nothing else; what is kept with a run is the list",
        "of operations with their weights. A weight that is stated wins; what the stated ones leave of 100 is shared",
        "in proportion to the table, evenly among operations of one kind. A kind without a share gets 0.00 and does",
        "not run.",
        "`GENERIC_SQL` always needs a weight of its own, and `CUSTOM` gives none.",
        "",
        f"| preset | {' | '.join(kinds)} |",
        "|---|" + "---|" * len(kinds),
    ]
    for preset, shares in SHARES_PCT.items():
        lines.append(f"| `{preset}` | {' | '.join(str(shares.get(kind, '')) for kind in kinds)} |")
    return "\n".join([*lines, ""])


def _not_yet() -> str:
    """Return the list of names that are refused with a word on this version."""
    lines = ["## Not in this version", "", "Part of the format and refused for now, never ignored:", ""]
    return "\n".join([*lines, *(f"- `{name}`" for name in unsupported_names()), ""])


if __name__ == "__main__":
    sys.stdout.write(reference_page())
