"""Faults that tests inject: what is to go wrong, where, and how often.

A fault is decided by counting, or by a share of a generator with a fixed seed, so that a test sees the same each time.
"""

import random
import re
import threading
from dataclasses import dataclass, field, fields
from typing import Any

PLACES = ("login", "query", "renew", "upload", "result")
"""Logging in, running a statement, renewing a token, uploading a file, fetching the result of a running statement."""

ACTIONS = {
    "error": "fails with a vendor code, before anything is run",
    "latency": "takes so many milliseconds longer",
    "drop": "closes the connection before anything is run",
    "drop_after": "runs the statement and closes the connection instead of answering",
    "expire": "lets the token of the session expire",
    "lose_rows": "lets COPY INTO leave out so many rows, as it does with rows that it cannot load",
    "http_error": "answers with an HTTP status, before anything is run",
}


@dataclass
class Fault:
    """One fault; ``pattern`` is a regular expression that is searched in the SQL text or the user's name."""

    action: str
    place: str = "query"
    pattern: str = ""
    code: int = 603
    sqlstate: str = "XX000"
    message: str = "A fault that the test asked for."
    delay_ms: float = 0
    status: int = 503
    rows: int = 1
    skip: int = 0
    """Matches to let pass first."""
    times: int | None = None
    """How often it strikes; None for always."""
    share: float = 1.0
    """The part of the remaining matches that it strikes, 0 to 1."""
    seed: int = 0
    matches: int = 0
    strikes: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"there is no fault {self.action!r}; there are {', '.join(ACTIONS)}")
        if self.place not in PLACES:
            raise ValueError(f"faults do not strike at {self.place!r}; they do at {', '.join(PLACES)}")
        self._expression = re.compile(self.pattern, re.IGNORECASE | re.DOTALL)
        self._random = random.Random(self.seed)

    def strike(self, place: str, text: str) -> bool:
        """Count a match, and tell whether the fault strikes it."""
        if place != self.place or not self._expression.search(text):
            return False
        self.matches += 1
        if self.matches <= self.skip or (self.times is not None and self.strikes >= self.times):
            return False
        if self._random.random() >= self.share:
            return False
        self.strikes += 1
        return True


class Faults:
    """The faults in force; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, given: dict[str, Any]) -> int:
        """Put a fault in force and return its number. Raises ValueError for fields or values that there are not."""
        known = {found.name for found in fields(Fault) if not found.name.startswith("_")} - {"matches", "strikes"}
        if unknown := sorted(set(given) - known):
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        with self._lock:
            self._faults.append(Fault(**given))
            return len(self._faults) - 1

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._faults.clear()

    def striking(self, place: str, text: str) -> list[Fault]:
        """Return the faults that strike here and now, and count them."""
        with self._lock:
            return [fault for fault in self._faults if fault.strike(place, text)]

    def counts(self) -> list[dict[str, int]]:
        """Return how often each fault matched and struck, in the order in which they were added."""
        with self._lock:
            return [{"matches": fault.matches, "strikes": fault.strikes} for fault in self._faults]
