"""Pushes the newest snapshot to the controller, so that who watches the run sees it a little sooner.

Best effort: the store has every snapshot, and nothing waits for this. It has a thread of its own, takes the newest
snapshot only, gives each attempt a second, and stays away for longer and longer from a controller that does not answer.
"""

import http.client
import json
import logging
import threading
from collections.abc import MutableMapping
from dataclasses import fields
from typing import Any, Final
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from upperbound.clock import Clock
from upperbound.store.snapshots import Snapshot

log = logging.getLogger(__name__)

URL_VARIABLE: Final = "UPPERBOUND_LIVE_URL"
TOKEN_VARIABLE: Final = "UPPERBOUND_LIVE_TOKEN"  # noqa: S105 - the name of the variable, not its value
TIMEOUT_S: Final = 1.0
"""How long the controller may take to connect, and to answer."""
FIRST_PAUSE_S: Final = 1.0
"""After one failed attempt; each further one doubles it."""
LONGEST_PAUSE_S: Final = 30.0
_SENT: Final = tuple(field.name for field in fields(Snapshot) if field.name not in {"run_id", "test_id"})
"""Fields of a snapshot that are sent: the address says the others."""


class Pace:
    """When the next attempt may be made; knows no clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._not_before_ns = 0
        self.refused = False
        """The controller does not want anything from us: no attempt is made any more."""

    def may(self, now_ns: int) -> bool:
        """Say whether an attempt may be made now."""
        return not self.refused and now_ns >= self._not_before_ns

    def taken(self, again_in_s: float, now_ns: int) -> None:
        """Take in that a snapshot was taken, and in how many seconds the next one is wanted."""
        self._failures = 0
        self._not_before_ns = now_ns + int(min(max(again_in_s, 0.0), LONGEST_PAUSE_S) * 1e9)

    def failed(self, now_ns: int) -> None:
        """Take in that the controller did not answer, or could not."""
        pause_s = min(FIRST_PAUSE_S * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
        self._failures += 1
        self._not_before_ns = now_ns + int(pause_s * 1e9)


class LivePush:
    """Pushes what it is offered, from a thread of its own."""

    def __init__(self, url: str, token: SecretStr, clock: Clock) -> None:
        """Push to the controller at ``url``; raises :class:`ValueError` when that is no HTTP address."""
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a controller")
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._prefix, self._token, self._clock = parts.path.rstrip("/"), token, clock
        self.pace = Pace()
        self._newest: Snapshot | None = None
        self._offered = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="live push", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, snapshot: Snapshot) -> None:
        """Push a snapshot soon, unless a newer one comes before; returns at once, from any thread."""
        if not self.pace.may(self._clock.monotonic_ns()):
            return
        self._newest = snapshot
        self._offered.set()

    def close(self) -> None:
        """End the thread, which takes no longer than an attempt may."""
        self._ending = True
        self._offered.set()
        if self._thread.ident is not None:
            self._thread.join(2 * TIMEOUT_S)

    def _run(self) -> None:
        try:
            while not self._ending and not self.pace.refused:
                self._offered.wait()
                self._offered.clear()
                snapshot, self._newest = self._newest, None
                if snapshot is not None and not self._ending:
                    self._attempt(snapshot)
        except Exception:
            log.exception("nothing is pushed any more; the controller reads the store")
            self.pace.refused = True
        finally:
            self._connection.close()

    def _attempt(self, snapshot: Snapshot) -> None:
        """Push one snapshot; whatever goes wrong is the pace's to know and nobody's to suffer from."""
        try:
            status, answer = self._send(snapshot)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            self.pace.failed(self._clock.monotonic_ns())
            log.debug("the controller did not take a snapshot: %s", error)
            return
        if status == http.client.OK:
            self.pace.taken(_again_in_s(answer), self._clock.monotonic_ns())
        elif status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.TOO_MANY_REQUESTS:
            self.pace.failed(self._clock.monotonic_ns())
        else:
            # Another controller than the one that has started us, say: it reads the store.
            self.pace.refused = True
            log.info("the controller takes no snapshots of this worker (%d); it reads them from the store", status)

    def _send(self, snapshot: Snapshot) -> tuple[int, bytes]:
        data = {name: getattr(snapshot, name) for name in _SENT}
        headers = {
            "Authorization": f"Bearer {self._token.get_secret_value()}",
            "Content-Type": "application/json",
        }
        path = f"{self._prefix}/api/runs/{quote(snapshot.run_id, safe='')}/metrics/live"
        self._connection.request("POST", path, json.dumps(data, allow_nan=False), headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def live_push(environment: MutableMapping[str, str], clock: Clock) -> LivePush | None:
    """Return what pushes to the controller that the environment names; None when it names none.

    The token is taken out of ``environment``, so that nothing that is started later has it.
    """
    url, token = environment.get(URL_VARIABLE), environment.pop(TOKEN_VARIABLE, "")
    if not url or not token:
        return None
    try:
        return LivePush(url, SecretStr(token), clock)
    except ValueError as error:
        log.warning("snapshots are not pushed: %s", error)
        return None


def _again_in_s(answer: bytes) -> float:
    """Return when the controller wants the next snapshot; one that says nothing of it takes it at once."""
    try:
        said: Any = json.loads(answer)
        return float(said["again_in_s"])
    except (ValueError, KeyError, TypeError):
        return 0.0
