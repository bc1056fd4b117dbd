"""Presets: named mixes that give weights to operations which have none.

A preset sets weights and nothing else. What is kept is always the list of operations with their weights:

- A weight that is given wins.
- What the given weights leave of 100 is shared among the other operations in proportion to the preset's shares
  of their kinds. Operations of one kind share evenly. Every weight is rounded to hundredths, and the sum stays exact.
- A kind that the preset leaves out gets 0.00: the operation stays in the list and does not run. So ``READ_ONLY``
  silences the writes of a mix without deleting them.
- ``GENERIC_SQL`` has no share in any preset: it needs a weight of its own.
- ``CUSTOM`` fills nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from upperbound.scenario.fields import CENT, HUNDRED
from upperbound.scenario.kinds import TYPE_OF_KIND, OperationKind, Preset

SHARES_PCT: dict[Preset, dict[OperationKind, int]] = {
    Preset.READ_ONLY: {OperationKind.POINT_LOOKUP: 80, OperationKind.RANGE_SCAN: 20},
    Preset.WRITE_ONLY: {OperationKind.INSERT: 50, OperationKind.UPDATE: 50},
    Preset.READ_HEAVY: {
        OperationKind.POINT_LOOKUP: 80,
        OperationKind.RANGE_SCAN: 10,
        OperationKind.INSERT: 3,
        OperationKind.UPDATE: 7,
    },
    Preset.WRITE_HEAVY: {
        OperationKind.POINT_LOOKUP: 15,
        OperationKind.RANGE_SCAN: 5,
        OperationKind.INSERT: 40,
        OperationKind.UPDATE: 40,
    },
    Preset.MIXED: {
        OperationKind.POINT_LOOKUP: 40,
        OperationKind.RANGE_SCAN: 10,
        OperationKind.INSERT: 25,
        OperationKind.UPDATE: 25,
    },
}
"""Each preset's mix, in percent; a kind that is not named has none."""


def fill_weights(workload: Any) -> Any:
    """Return the input form of a workload with the weights its preset gives; as it is when it is malformed."""
    if not isinstance(workload, Mapping):
        return workload
    operations = workload.get("operations")
    shares = next((shares for preset, shares in SHARES_PCT.items() if preset == workload.get("preset")), None)
    if shares is None or not isinstance(operations, list | tuple):
        return workload
    open_places = [
        place
        for place, operation in enumerate(operations)
        if isinstance(operation, Mapping) and operation.get("weight_pct") is None and _kind(operation) is not None
    ]
    stated = [number for operation in operations if (number := _stated(operation)) is not None]
    left = max(HUNDRED - sum(stated, Decimal(0)), Decimal(0))
    kinds = [_kind(operations[place]) for place in open_places]
    portions = [Decimal(shares.get(kind, 0)) / kinds.count(kind) if kind else Decimal(0) for kind in kinds]
    weights = dict(zip(open_places, split_hundredths(left, portions), strict=True))
    return {
        **workload,
        "operations": [
            {**operation, "weight_pct": weights[place]} if place in weights else operation
            for place, operation in enumerate(operations)
        ],
    }


def _kind(operation: Mapping[str, Any]) -> OperationKind | None:
    """Return the kind of an operation if presets know it."""
    return next((kind for kind in TYPE_OF_KIND if kind == operation.get("kind")), None)


def _stated(operation: Any) -> Decimal | None:
    """Return the weight an operation states; None when it states none, or something else than a number."""
    value = operation.get("weight_pct") if isinstance(operation, Mapping) else getattr(operation, "weight_pct", None)
    return read_weight(value)


def read_weight(value: Any) -> Decimal | None:
    """Return ``value`` as an exact number, through its text so that 0.01 is a hundredth; None when it is no share."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number <= HUNDRED else None


def split_hundredths(total: Decimal, portions: Sequence[Decimal]) -> list[Decimal]:
    """Split ``total`` in proportion to ``portions``, in hundredths that add up to it (largest remainder first)."""
    whole = sum(portions, Decimal(0))
    if not whole:
        return [Decimal("0.00") for _ in portions]
    exact = [total * portion / whole for portion in portions]
    cut = [value.quantize(CENT, rounding="ROUND_DOWN") for value in exact]
    missing = int((total.quantize(CENT) - sum(cut, Decimal(0))) / CENT)
    by_remainder = sorted(range(len(cut)), key=lambda place: cut[place] - exact[place])
    for place in by_remainder[:missing]:
        cut[place] += CENT
    return cut
