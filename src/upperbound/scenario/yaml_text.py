"""Scenarios as YAML text that reads back as the same scenario."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from upperbound.scenario.model import Scenario
from upperbound.scenario.yaml_source import CORE_TYPES

INLINE: Final = frozenset({"params", "slo", "stages", "retry"})
"""Keys whose mappings stay on one line each where they are short, as people write them."""
INLINE_CHARACTERS: Final = 100
EMPTY_UNSAID: Final = frozenset({"params", "stages", "tags", "statements", "retry", "autocommit"})
"""Keys that are empty, or false, when they are left out."""


class _Inline(dict[str, Any]):
    """A mapping that goes on one line."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which also quotes what YAML 1.2 takes for a number: both kinds of reader see the same."""

    yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeDumper.yaml_implicit_resolvers.items()}  # noqa: RUF012 - PyYAML's own attribute


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Keep the lines of a statement as they are, and escape what a reader may take for another kind of line end."""
    style = None
    if any(character != "\n" and not character.isprintable() for character in text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_inline(dumper: _Dumper, value: _Inline) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


for _tag, _pattern, _first in CORE_TYPES:
    for _character in _first:
        _key = _character if _character != "\0" else ""
        _resolvers = _Dumper.yaml_implicit_resolvers.setdefault(_key, [])
        _resolvers.append((_tag, re.compile(f"^(?:{_pattern})$")))
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(_Inline, _represent_inline)


def scenario_yaml(scenario: Scenario | Mapping[str, Any]) -> str:
    """Return a scenario, or the JSON form of one, as YAML; only keys are left out that mean the same when they are.

    Reading the text gives an equal scenario. Of a preset it holds the weights.
    """
    document = scenario.model_dump(mode="json") if isinstance(scenario, Scenario) else scenario
    return yaml.dump(
        _trimmed(document),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=math.inf,
        default_flow_style=False,
    )


def _trimmed(value: Any, key: str = "") -> Any:
    """Return a document without keys that say nothing: null, and those that are empty when left out.

    Anything else that is empty may say something: objectives without a limit are still objectives.
    """
    if isinstance(value, list):
        return [_trimmed(entry, key) for entry in value]
    if not isinstance(value, Mapping):
        return value
    trimmed = {
        name: _trimmed(entry, name)
        for name, entry in value.items()
        if key == "tags" or not (entry is None or (name in EMPTY_UNSAID and not entry))
    }
    short = key in INLINE and len(json.dumps(trimmed)) <= INLINE_CHARACTERS
    return _Inline(trimmed) if short else trimmed
