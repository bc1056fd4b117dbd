"""Other names of keys: a thread is a simulated client with one connection, so ``connections`` is understood for it."""

from typing import Any

KEY_ALIASES = {
    "connections": "threads",
    "min_connections": "min_threads",
    "max_connections": "max_threads",
    "start_connections": "start_threads",
}
"""Other names of keys in ``load``, its stages and ``scaling``, with the keys they stand for."""


def rename_connections(data: Any) -> Any:
    """Return ``data`` with aliases replaced by the keys they stand for, unless both are there."""
    if not isinstance(data, dict):
        return data
    return {
        KEY_ALIASES[key] if key in KEY_ALIASES and KEY_ALIASES[key] not in data else key: value
        for key, value in data.items()
    }
