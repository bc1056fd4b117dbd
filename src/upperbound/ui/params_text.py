"""Parameters as one line of text each, as they stand in a scenario file without the braces around them."""

import math
from typing import Any, Final

import yaml

from upperbound.scenario.params import PARAM_KINDS
from upperbound.scenario.yaml_source import parse_yaml

SNIPPETS: Final = {
    "range": "range: [1, 1000]",
    "pool": "pool: id",
    "choice": "choice: [new, paid]",
    "weighted": "weighted: [{value: new, weight: 70}, {value: paid, weight: 30}]",
    "sequence": "sequence: {after: id}",
    "zipf": "zipf: {range: [1, 1000], exponent: 0.99}",
    "hot_set": "hot_set: {range: [1, 1000], hot_pct: 20, access_pct: 80}",
    "gaussian": "gaussian: {range: [1, 1000], deviations: 2.5}",
    "exponential": "exponential: {range: [1, 1000], decay: 5}",
    "offset_from": "offset_from: {parameter: 1, by: 10}",
    "list": "list: {range: [1, 1000]}, size: 10",
    "now": "now: {}",
    "uuid": "uuid: random",
    "text": "text: [5, 20]",
}
"""What each kind begins with."""
WORDS: Final = {
    "range": "Number in a range",
    "pool": "Value of a column",
    "choice": "One of a few",
    "weighted": "One of a few, weighted",
    "sequence": "New key",
    "zipf": "Zipf",
    "hot_set": "Hot set",
    "gaussian": "Bell curve",
    "exponential": "Exponential",
    "offset_from": "Another parameter, plus",
    "list": "List of values",
    "now": "Time of sending",
    "uuid": "UUID",
    "text": "Random text",
}
"""How each kind is called."""


def text_of(param: Any) -> str:
    """Return a parameter as it is typed."""
    if isinstance(param, str):
        return param
    text = yaml.safe_dump(_short(param), default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.strip().removeprefix("{").removesuffix("}")


def param_of(text: str) -> Any:
    """Return the parameter that a line stands for; the line itself where it stands for none, for the checks to name."""
    data = parse_yaml(f"{{{text}}}").data
    return data if isinstance(data, dict) else text


def kind_of(param: Any) -> str:
    """Return the kind of a parameter; empty for none."""
    return next((kind for kind in PARAM_KINDS if isinstance(param, dict) and kind in param), "")


def _short(param: Any) -> Any:
    """Leave out what is null: the form of a model has every key."""
    if isinstance(param, dict):
        return {key: _short(value) for key, value in param.items() if value is not None}
    return [_short(value) for value in param] if isinstance(param, list) else param
