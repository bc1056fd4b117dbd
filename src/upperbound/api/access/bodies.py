"""How large a request's body may be."""

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

BODY_BYTES: Final = 2**20
SCENARIO_BYTES: Final = 5 * 2**20
"""Where scenarios are sent to."""
SCENARIO_PATHS: Final = ("/api/runs", "/api/templates", "/_nicegui/")
"""Paths below which they are; the last one is where the pages of the web interface send files to."""
_TOO_LARGE: Final = 413


def limit_of(path: str) -> int:
    """Return how many bytes a request to ``path`` may bring."""
    return SCENARIO_BYTES if path.startswith(SCENARIO_PATHS) else BODY_BYTES


def is_announced_too_large(scope: Scope) -> bool:
    """Say whether a request itself says that it is too large."""
    announced = Headers(scope=scope).get("content-length", "0")
    return announced.isascii() and announced.isdigit() and int(announced) > limit_of(scope["path"])


def limited(receive: Receive, path: str) -> Receive:
    """Return a ``receive`` that raises :class:`HTTPException` (413) once a body has become too large."""
    limit, taken = limit_of(path), 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(_TOO_LARGE, f"the body is larger than {limit} bytes")
        return message

    return take
