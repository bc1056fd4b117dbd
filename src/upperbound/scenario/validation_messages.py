"""Pydantic's validation errors, retold for the person who wrote the scenario."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from upperbound.errors import Problem
from upperbound.scenario.aliases import KEY_ALIASES
from upperbound.scenario.connection_url import mask_credentials
from upperbound.scenario.fields import CROSS_CHECK, WORDED
from upperbound.scenario.params import ELEMENT_KINDS, PARAM_KINDS
from upperbound.scenario.sections import EACH, TAG_KEYS, homes_of, is_source, is_tagged, keys_at, tags_at
from upperbound.scenario.unsupported import unsupported_key
from upperbound.scenario.yaml_source import Path

_REPEATED = (CROSS_CHECK, "default_factory_not_called")
"""Errors that follow from others, which are reported where they stand."""
_SECRETS = ("password", "passwd", "pwd", "secret", "token")
_OF_A_KEY = "[key]"
"""Ends pydantic's location of a key that is wrong itself."""
MUST_NOT_BE_EMPTY = "must not be empty"
_SHOWN_CHARACTERS = 60
_MISSING_HINTS = {
    "workload.operations.*.weight_pct": "give it a weight, or choose a workload.preset other than CUSTOM",
    "workload.operations": "list at least one operation",
    "target.url": "such as postgresql://user@127.0.0.1:5432/postgres",
    "load.duration_seconds": "how long to measure, such as 60",
}
Told = tuple[str, str]
"""Message and hint."""
_OF_OTHER_MODES: dict[tuple[str, str], Told] = {
    ("QPS", "think_time_ms"): (
        "a rate leaves no time to think: operations arrive by its schedule, not after an answer",
        "remove it; lower target_qps for less load",
    ),
    ("FIND_MAX_CONCURRENCY", "stages"): (
        "a search decides on its steps itself",
        "remove them; start_threads, increment and step_duration_seconds shape the steps",
    ),
    ("FIND_MAX_CONCURRENCY", "threads"): (
        "a search finds the number of threads itself",
        "remove it; it begins with start_threads and stays within max_threads",
    ),
}
"""Keys of one mode that are asked for in another, by that other and the key."""


def retell(error: ValidationError) -> list[tuple[Path, Problem]]:
    """Return each error as a problem with the path to its place, without those that :mod:`checks` reports itself."""
    told = []
    for detail in error.errors(include_url=False):
        if detail["type"] in _REPEATED:
            continue
        path, tag = _plain_path(detail["loc"])
        told.append(_tell(path, tag, detail))
    return told


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` was most likely meant to be, whatever its case; None when none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    match = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[match[0]] if match else None


def shown(value: Any) -> str:
    """Return ``value`` as it may stand in a message: short, as in YAML, and without credentials."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = mask_credentials(str(value))
    text = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return repr(text) if isinstance(value, str) else text


def pattern_of(path: Path) -> tuple[str, ...]:
    """Return ``path`` with :data:`EACH` in place of each index."""
    return tuple(EACH if isinstance(step, int) else step for step in path)


def _plain_path(loc: Sequence[str | int]) -> tuple[Path, str | None]:
    """Return pydantic's location without the tags of the models picked on the way, and the last such tag."""
    path: Path = ()
    tag: str | None = None
    steps = iter(loc)
    for step in steps:
        if step == _OF_A_KEY:
            break  # the key itself is wrong, and its own place says where
        path = (*path, step)
        tag = str(next(steps, "")) or None if is_tagged(pattern_of(path)) else tag
    return path, tag


def _tell(path: Path, tag: str | None, detail: ErrorDetails) -> tuple[Path, Problem]:
    """Return the place and the problem of one error."""
    kind, value = detail["type"], detail["input"]
    if kind in ("union_tag_not_found", "union_tag_invalid") and not is_source(pattern_of(path)):
        key = TAG_KEYS[path]
        path = (*path, key)
        value = value.get(key) if isinstance(value, Mapping) else value
        allowed = tags_at(pattern_of(path[:-1]))
        message, hint = _missing_choice(allowed) if value is None else _not_one_of(value, allowed)
    elif kind.startswith("union_tag"):
        message, hint = _tell_source(value, ELEMENT_KINDS if path[-1] == "list" else PARAM_KINDS)
    elif kind == "extra_forbidden":
        message, hint = _tell_unknown_key(path, tag)
    elif kind == "missing":
        message, hint = "is missing", _MISSING_HINTS.get(".".join(pattern_of(path)), "")
    elif kind in ("enum", "literal_error"):
        message, hint = _not_one_of(value, _quoted(str(detail["ctx"]["expected"])))
    elif kind == WORDED:
        message, hint = str(detail["ctx"]["message"]), str(detail["ctx"]["hint"])
    else:
        message, hint = _tell_value(kind, value, detail.get("ctx", {}))
    where = ".".join(map(str, path))
    return path, Problem(where, message, hint)


def _quoted(text: str) -> list[str]:
    """Return the words that stand in single quotes, as pydantic lists the values it expects."""
    return re.findall(r"'([^']*)'", text)


def _listing(words: Sequence[str]) -> str:
    """Return ``a, b or c``."""
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1] if words else "") if part)


def _missing_choice(allowed: Sequence[str]) -> Told:
    """Tell that a word with few possibilities is missing."""
    return "is missing", f"give {_listing(allowed)}"


def _not_one_of(value: Any, allowed: Sequence[str]) -> Told:
    """Tell that a word is none of the allowed ones."""
    near = nearest(value, allowed) if isinstance(value, str) else None
    return f"{shown(value)} is not known" + (f"; did you mean {near}?" if near else ""), f"use {_listing(allowed)}"


def _tell_unknown_key(path: Path, tag: str | None) -> Told:
    """Tell that a key is not known at its place, and which one may have been meant."""
    parent, key = pattern_of(path[:-1]), str(path[-1])
    if told := unsupported_key(".".join((*parent, key))):
        return told
    if key.lower() in _SECRETS:
        where = "in connections.toml or the environment" if tag == "snowflake" else ""
        hint = f"keep it {where}" if where else "set PGPASSWORD, or use ~/.pgpass or a service file"
        return f"a scenario holds no {key.lower()}", hint
    known = keys_at(parent, tag)
    if KEY_ALIASES.get(key) in known:
        return f"{key!r} is another name for {KEY_ALIASES[key]!r}, which is there too", "remove one of the two"
    if told := _OF_OTHER_MODES.get((tag or "", key)):
        return told
    if tag and (others := [other for other in tags_at(parent) if key in keys_at(parent, other)]):
        return f"{key!r} does not go with {tag}; it belongs to {_listing(others)}", f"known here: {', '.join(known)}"
    if near := nearest(key, known):
        return f"unknown key {key!r}; did you mean {near!r}?", f"known here: {', '.join(known)}"
    homes = [home for home in homes_of(key) if home != parent]
    # What stands in a part and in its parts again, as threads in load and its stages, belongs to the part.
    nested = [home for home in homes if home[: len(homes[0])] == homes[0]]
    belongs = f"; it belongs to {'.'.join(homes[0]) or 'the top level'}" if homes and nested == homes else ""
    return f"unknown key {key!r}{belongs}", f"known here: {', '.join(known) or 'none'}"


def _tell_source(value: Any, kinds: Sequence[str]) -> Told:
    """Tell what is wrong with a parameter that has no source, an unknown one, several, or one of the wrong kind."""
    hint = f"give one of {_listing(kinds)}, as in {{range: [1, 100]}}"
    if not isinstance(value, Mapping) or not value:
        return f"must be a mapping with the source of the values, not {shown(value)}", hint
    given = [kind for kind in PARAM_KINDS if kind in value]
    if len(given) > 1:
        return f"has {_listing(given).replace(' or ', ' and ')}", "a parameter has one source"
    if given:
        return f"a list cannot be made of {given[0]}", hint
    key = str(next(iter(value)))
    near = nearest(key, kinds)
    return f"unknown parameter source {key!r}" + (f"; did you mean {near!r}?" if near else ""), hint


def _must(what: str) -> Callable[[Any, Mapping[str, Any]], Told]:
    """Return a teller that says what a value must be, and what it is."""
    return lambda value, _: (f"must be {what}, not {shown(value)}", "")


def _limit(words: str, key: str) -> Callable[[Any, Mapping[str, Any]], Told]:
    """Return a teller that names the limit a value passes."""
    return lambda value, ctx: (f"must be {words} {ctx[key]:.15g}, not {shown(value)}", "")


def _must_be_text(value: Any, _: Mapping[str, Any]) -> Told:
    """Tell that text is wanted; numbers and the like become text in quotes."""
    scalar = isinstance(value, bool | int | float)
    return f"must be text, not {shown(value)}", f'put it in quotes: "{shown(value)}"' if scalar else ""


def _too_long(value: Any, ctx: Mapping[str, Any]) -> Told:
    """Tell that a text or a list is too long."""
    return f"must have at most {ctx['max_length']} {'characters' if isinstance(value, str) else 'entries'}", ""


_WHOLE = _must("a whole number")
_NUMBER = _must("a number")
_LIST = _must("a list")
_MAPPING = _must("a mapping of keys to values")
_TELLERS: dict[str, Callable[[Any, Mapping[str, Any]], Told]] = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _must("a finite number"),
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_places": _must("a number with at most two decimals"),
    "string_type": _must_be_text,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _MAPPING,
    "bool_type": _must("true or false"),
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "greater_than": _limit("more than", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than_equal": _limit("at most", "le"),
    "too_short": lambda _value, _ctx: (MUST_NOT_BE_EMPTY, ""),
    "too_long": _too_long,
    "string_too_long": _too_long,
}
"""How each of pydantic's errors that the models can raise is told."""


def _tell_value(kind: str, value: Any, ctx: Mapping[str, Any]) -> Told:
    """Tell what is wrong with one value."""
    return _TELLERS[kind](value, ctx) if kind in _TELLERS else (f"is not valid ({kind.replace('_', ' ')})", "")
