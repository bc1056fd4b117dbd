"""Checks of parameters that no single key can make: forms of a source, columns without a table, offsets.

They read the plain form and pass over whatever is malformed, as :mod:`upperbound.scenario.checks` says.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.fields import INT64_MAX, INT64_MIN
from upperbound.scenario.params import param_kind
from upperbound.scenario.plain import entries, mapping, whole

_FORMS = (
    ("sequence", ("start", "after")),
    ("zipf", ("range", "pool")),
    ("hot_set", ("range", "pool")),
    ("gaussian", ("range", "pool")),
    ("exponential", ("range", "pool")),
)
"""Sources that have two forms, the second of which reads a column."""
_ADDABLE = (
    *("range", "pool", "choice", "weighted", "sequence", "zipf", "hot_set", "gaussian", "exponential", "offset_from"),
    "now",
)
"""What ``offset_from`` can add to."""


def check_sources(where: str, operation: Mapping[str, Any], *, has_table: bool | None) -> Iterator[Problem]:
    """Check each parameter's source; ``has_table`` is None when the target is too malformed to say."""
    params = entries(operation.get("params"))
    for place, param in enumerate(params):
        at = f"{where}.params.{place}"
        yield from _check_forms(at, mapping(param), has_table=has_table)
        if isinstance(inner := mapping(param).get("list"), Mapping):
            yield from _check_forms(f"{at}.list", inner, has_table=has_table)
        if isinstance(offset := mapping(param).get("offset_from"), Mapping):
            yield from _check_offset(f"{at}.offset_from", params, place, whole(offset.get("parameter")))


def value_bounds(params: Sequence[Any], place: int) -> tuple[int, int] | None:
    """Return the lowest and highest number that a parameter's source says it makes; None when it does not say."""
    param = mapping(params[place])
    if "offset_from" in param:
        offset = mapping(param["offset_from"])
        base, by = whole(offset.get("parameter")), _pair(offset.get("by"))
        if base is None or by is None or not 1 <= base <= place:
            return None
        bounds = value_bounds(params, base - 1)
        return None if bounds is None else (bounds[0] + by[0], bounds[1] + by[1])
    if "choice" in param or "weighted" in param:
        numbers = [number for value in _listed(param) if (number := whole(value)) is not None]
        return (min(numbers), max(numbers)) if numbers else None
    for kind, _ in _FORMS:
        if bounds := _pair(mapping(param.get(kind)).get("range")):
            return bounds
    return _pair(param.get("range"))


def _check_forms(at: str, param: Mapping[str, Any], *, has_table: bool | None) -> Iterator[Problem]:
    """Check that a source has one of two forms where there are two, and a table where it reads a column."""
    columns = [("pool", param.get("pool"))]
    for kind, keys in _FORMS:
        source = param.get(kind)
        if not isinstance(source, Mapping):
            continue
        given = [key for key in keys if source.get(key) is not None]
        if len(given) != 1:
            found = "has neither" if not given else "has both"
            yield Problem(f"{at}.{kind}", f"{found} {keys[0]} {'nor' if not given else 'and'} {keys[1]}", "give one")
        columns.append((f"{kind}.{keys[1]}", source.get(keys[1])))
    for key, column in columns:
        if isinstance(column, str) and has_table is False:
            yield Problem(
                f"{at}.{key}", f"takes values from the column {column}, and there is no table", "set target.table"
            )


def _check_offset(at: str, params: Sequence[Any], place: int, number: int | None) -> Iterator[Problem]:
    """Check that ``offset_from`` names an earlier parameter, one whose values can be added to."""
    if number is None or number < 1:
        return
    where, own = f"{at}.parameter", place + 1
    if number > len(params):
        yield Problem(where, f"there is no ${number}: params has {len(params)}", "name an earlier parameter")
        return
    if number >= own:
        said = f"${own} cannot be an offset from itself" if number == own else f"${number} comes after ${own}"
        hint = "the first parameter has none before it" if own == 1 else f"name an earlier parameter: 1 to {own - 1}"
        yield Problem(where, said, hint)
        return
    base = mapping(params[number - 1])
    kind = param_kind(base)
    if kind is None:
        return
    if kind not in _ADDABLE:
        yield Problem(where, f"${number} is of {kind}, which cannot be added to", "whole numbers and now can")
    elif kind in ("choice", "weighted") and any(whole(value) is None for value in _listed(base)):
        yield Problem(
            where,
            f"the {kind} of ${number} holds other values than whole numbers",
            "only whole numbers can be added to",
        )
    else:
        bounds = value_bounds(params, place)
        if bounds is not None and not INT64_MIN <= bounds[0] <= bounds[1] <= INT64_MAX:
            yield Problem(
                at, f"makes numbers from {bounds[0]} to {bounds[1]}, which need more than 64 bits", "add less"
            )


def _listed(param: Mapping[str, Any]) -> list[Any]:
    """Return the values that a choice or weighted values list."""
    weighted = [item["value"] for item in entries(param.get("weighted")) if "value" in mapping(item)]
    return [*entries(param.get("choice")), *weighted]


def _pair(value: Any) -> tuple[int, int] | None:
    """Return two whole numbers, the lower one first; one number stands for both; None for anything else."""
    low_high = [whole(bound) for bound in ([value, value] if whole(value) is not None else entries(value))]
    if len(low_high) != 2:
        return None
    low, high = low_high
    return (low, high) if low is not None and high is not None and low <= high else None
