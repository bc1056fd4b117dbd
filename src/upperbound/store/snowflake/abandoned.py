"""Sessions that were lost in the middle of a transaction, and are ended once the account can be reached again.

A session of Snowflake's is no connection of the network: it outlives one that breaks, and what its transaction has
locked stays locked for minutes. A client that has only lost its way for a while can come back and roll back.
"""

import contextlib
import logging
import random
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from upperbound.domain.backoff import Backoff
from upperbound.store.snowflake.failures import has_ended, is_lost

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

log = logging.getLogger(__name__)

FIRST_S: Final = 0.5
"""The longest wait after the first attempt that failed; twice as long after each further one."""
MOST_S: Final = 2.0
"""The longest wait between two attempts: others wait up to 20 s for what these sessions hold."""
ATTEMPTS: Final = 300
"""How often it is tried in a row: for longer than the five minutes after which Snowflake ends such a transaction."""
_CLOSE_S: Final = 5.0
"""How long the end of a store may wait for this."""


class AbandonedSessions:
    """Rolls back and closes sessions in a thread of its own, which there is only while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[SnowflakeConnection] = deque()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def take(self, connection: "SnowflakeConnection") -> None:
        """Take over a connection that is used no more, in the middle of a transaction; never waits."""
        with self._lock:
            self._waiting.append(connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._end_all, name="abandoned-sessions", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Try to end what is left once more, and give it up; takes a few seconds at most while there is no way."""
        self._over.set()
        if (thread := self._thread) is not None:
            thread.join(_CLOSE_S)

    def _end_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                connection = self._waiting.popleft()
            self._end(connection)

    def _end(self, connection: "SnowflakeConnection") -> None:
        """Roll one back, again and again while there is no way to the account, and close it."""
        backoff = Backoff(FIRST_S, MOST_S, random.random)
        for _ in range(ATTEMPTS):
            if _roll_back(connection):
                log.info("a transaction that was cut off in the store has been rolled back")
                break
            if self._over.wait(backoff.next_s()):
                break
        # What cannot be closed ends by itself, on the server's side.
        with contextlib.suppress(Exception):
            connection.close(retry=False)


def _roll_back(connection: "SnowflakeConnection") -> bool:
    """Say whether the session holds nothing any more."""
    from snowflake.connector import errors

    try:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
    except errors.Error as error:
        # Anything but a broken way is the server's word: there is nothing left to roll back.
        return has_ended(error) or not is_lost(error)
    return True
