"""What workers push: the newest snapshot of each, kept for some seconds, and the tokens that let them."""

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from upperbound.clock import Clock
from upperbound.store.snapshots import Snapshot

URL_VARIABLE: Final = "UPPERBOUND_LIVE_URL"
TOKEN_VARIABLE: Final = "UPPERBOUND_LIVE_TOKEN"  # noqa: S105 - the name of the variable, not its value
LIFE_S: Final = 5.0
"""How long a snapshot stands for its worker; after that the store is asked."""
MOST_WORKERS: Final = 1_000
"""Workers of a run whose snapshots are kept."""
AGAIN_WATCHED_S: Final = 0.0
"""How long a worker waits before it pushes again while somebody watches: its next snapshot is pushed."""
AGAIN_UNWATCHED_S: Final = 3.0
"""The same while nobody does: rarely enough to cost nothing, and often enough that a first viewer soon has it."""


@dataclass(frozen=True)
class _Kept:
    snapshot: Snapshot
    at_ns: int


class LivePushes:
    """The snapshots pushed to this process; safe to use from several threads.

    A run's token follows from its id and a key that is drawn anew for each process: there is nothing to store, and who
    has the token of one run cannot make that of another.
    """

    def __init__(self, clock: Clock, url: str) -> None:
        """Tell workers to push to ``url``, the controller's address as they reach it."""
        self._clock, self._url = clock, url
        self._key: Final = secrets.token_bytes(32)
        self._lock: Final = threading.Lock()
        self._kept: dict[str, dict[str, _Kept]] = {}
        self._swept_ns = clock.monotonic_ns()

    def environment(self, run_id: str) -> Mapping[str, str]:
        """Return what a worker of the run needs in its environment to push."""
        return {URL_VARIABLE: self._url, TOKEN_VARIABLE: self._token(run_id)}

    def admits(self, run_id: str, token: str) -> bool:
        """Say whether this is the run's token; takes as long for a wrong one."""
        return hmac.compare_digest(self._token(run_id).encode(), token.encode("utf-8", "replace"))

    def put(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; one that is older than what is there changes nothing."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            self._sweep(now_ns)
            workers = self._kept.setdefault(snapshot.run_id, {})
            known = workers.get(snapshot.worker_id)
            if known is None and len(workers) >= MOST_WORKERS:
                return
            if known is None or snapshot.sequence > known.snapshot.sequence:
                workers[snapshot.worker_id] = _Kept(snapshot, now_ns)

    def fresh(self, run_id: str) -> dict[str, Snapshot]:
        """Return the snapshots of a run that are younger than :data:`LIFE_S`, by worker id."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            kept = self._kept.get(run_id, {})
            return {worker_id: one.snapshot for worker_id, one in kept.items() if _is_fresh(one, now_ns)}

    def forget(self, run_id: str) -> None:
        """Drop what was pushed for a run."""
        with self._lock:
            self._kept.pop(run_id, None)

    def _token(self, run_id: str) -> str:
        digest = hmac.digest(self._key, run_id.encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _sweep(self, now_ns: int) -> None:
        """Drop what has expired, now and then: runs end without a word."""
        if now_ns - self._swept_ns < LIFE_S * 1e9:
            return
        self._swept_ns = now_ns
        for run_id, workers in list(self._kept.items()):
            fresh = {worker_id: one for worker_id, one in workers.items() if _is_fresh(one, now_ns)}
            if fresh:
                self._kept[run_id] = fresh
            else:
                del self._kept[run_id]


def _is_fresh(kept: _Kept, now_ns: int) -> bool:
    return now_ns - kept.at_ns < LIFE_S * 1e9
