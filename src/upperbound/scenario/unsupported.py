"""What the full scenario format knows and this version does not do yet: refused by name, never ignored."""

_VERSION = "is not supported by this version of Upperbound"

_KEYS: dict[str, str] = {
    "target.connection": "give target.url",
    "target.warehouse": "it belongs to Snowflake targets",
    "slo.abort_on_breach": "remove it; objectives are judged when the run has ended",
}
"""Keys by their place (``*`` for any index), with what to do instead."""

_VALUES: dict[str, tuple[str, ...]] = {
    "target.kind": ("snowflake",),
    "target.table_type": ("STANDARD", "HYBRID", "INTERACTIVE", "DYNAMIC"),
}
"""Values by the place of their key."""


def unsupported_key(place: str) -> tuple[str, str] | None:
    """Return message and hint for a key that is to come, by its place; None for any other."""
    hint = _KEYS.get(place)
    return (f"{place.rpartition('.')[2]!r} {_VERSION}", hint) if hint is not None else None


def unsupported_value(place: str, value: str) -> str | None:
    """Return the message for a value that is to come, by the place of its key; None for any other."""
    known = next((known for known in _VALUES.get(place, ()) if known.lower() == value.lower()), None)
    return f"{known!r} {_VERSION}" if known is not None else None


def unsupported_names() -> list[str]:
    """Return everything that is refused by name, as ``target.kind: snowflake`` or ``slo.abort_on_breach``, in order."""
    values = [f"{place}: {value}" for place, words in _VALUES.items() for value in words]
    return sorted([*_KEYS, *values])
