"""What the full scenario format knows and this version does not do yet: refused by name, never ignored."""

_VERSION = "is not supported by this version of Upperbound"

_KEYS: dict[str, str] = {
    "target.connection": "give target.url, or target.connection_name of a Snowflake target",
    "slo.abort_on_breach": "remove it; objectives are judged when the run has ended",
}
"""Keys by their place (``*`` for any index), with what to do instead."""


def unsupported_key(place: str) -> tuple[str, str] | None:
    """Return message and hint for a key that is to come, by its place; None for any other."""
    hint = _KEYS.get(place)
    return (f"{place.rpartition('.')[2]!r} {_VERSION}", hint) if hint is not None else None


def unsupported_names() -> list[str]:
    """Return every key that is refused by name, as ``slo.abort_on_breach``, in order."""
    return sorted(_KEYS)
