"""What a server calls the statements that it has executed, as workers keep it: a UUID in 16 bytes."""

from typing import Final

STATEMENT_ID_BYTES: Final = 16
NO_STATEMENT_ID: Final = bytes(STATEMENT_ID_BYTES)
"""Where the server told none."""


def pack_statement_id(told: str | None) -> bytes:
    """Return an id as it is kept; :data:`NO_STATEMENT_ID` for one that is no UUID."""
    if not told:
        return NO_STATEMENT_ID
    try:
        packed = bytes.fromhex(told.replace("-", ""))
    except ValueError:
        return NO_STATEMENT_ID
    return packed if len(packed) == STATEMENT_ID_BYTES else NO_STATEMENT_ID
