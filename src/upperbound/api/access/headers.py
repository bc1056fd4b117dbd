"""What every response tells the browser to keep to."""

from typing import Final

_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_NOTHING: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""For answers that are data."""
_PLAIN: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""For pages of our own whose scripts are files."""
_INTERFACE: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'self'; object-src 'none'"
)
"""For the web interface: its framework sends the page in an inline script, and compiles templates in the browser."""
PLAIN_PAGES: Final = ("/login", "/api/docs")
DATA: Final = ("/api/", "/health", "/metrics")


def security_headers(path: str) -> dict[str, str]:
    """Return the headers of a response to a request for ``path``."""
    return {**_COMMON, "content-security-policy": _policy(path)}


def _policy(path: str) -> str:
    if path in PLAIN_PAGES or path.startswith(tuple(f"{page}/" for page in PLAIN_PAGES)):
        return _PLAIN
    return _NOTHING if path.startswith(DATA) else _INTERFACE
