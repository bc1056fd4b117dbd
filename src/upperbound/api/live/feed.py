"""The updates of one run, made once a second for as long as somebody watches it."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread

from upperbound.api.live.mailbox import Mailbox
from upperbound.api.live.reader import RunReader
from upperbound.clock import Clock
from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunNotFound, StoreError
from upperbound.store.runs import RunRow
from upperbound.views.live_payload import RunUpdate, RunUpdateMessage

if TYPE_CHECKING:
    from upperbound.domain.phases import Phase

log = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0
"""Between two updates of a run that is on its way."""


class FeedFailed(Exception):
    """A defect has ended the updates of a run; the log has the details."""


class FeedCut(Exception):
    """The updates of a run go on elsewhere, or later: this process ends."""


@dataclass(frozen=True)
class Published:
    """An update as it is handed to every viewer."""

    update: RunUpdate

    @cached_property
    def text(self) -> str:
        """The message as it goes over a WebSocket: written once, when the first viewer needs it."""
        return RunUpdateMessage(data=self.update).model_dump_json()


class Feed:
    """Reads one run and leaves each update in the mailboxes of its viewers; used within one event loop.

    Before the start nothing is read until somebody says that something has happened; from then on the store is read
    once every :data:`INTERVAL_S`, and at once when the run's own loop tells of another state. It ends after the last
    update, and when the run is gone.
    """

    def __init__(self, reader: RunReader, clock: Clock, limiter: CapacityLimiter) -> None:
        """Read within the limits of ``limiter``, which all feeds share."""
        self._reader, self._clock, self._limiter = reader, clock, limiter
        self._boxes: set[Mailbox[Published]] = set()
        self._latest: Published | None = None
        self._told: deque[RunRow] = deque()
        """States that the run's loop has told of and that were not published yet, the oldest first."""
        self._state: tuple[RunStatus, Phase] | None = None
        """The last one that was published or told of."""
        self._woken = asyncio.Event()
        self.over = False
        """Whether there will be no more updates."""

    @property
    def is_watched(self) -> bool:
        """Whether there is a viewer."""
        return bool(self._boxes)

    def join(self, box: Mailbox[Published]) -> None:
        """Give every update from now on to one more viewer, and the latest one at once."""
        self._boxes.add(box)
        if self._latest is None:
            return
        if self._latest.update.status is RunStatus.PREPARED:
            # Nobody reads a prepared run on a timer, so that it may have moved on: it is read once for who comes.
            self._woken.set()
        else:
            box.put(self._latest)

    def part(self, box: Mailbox[Published]) -> None:
        """Give no more updates to a viewer."""
        self._boxes.discard(box)

    def wake(self) -> None:
        """Read the run again soon."""
        self._woken.set()

    def hear(self, run: RunRow) -> None:
        """Take in the run's row as its loop has read it: a new state is published at once, however short it lasts."""
        state = (run.status, run.phase)
        if state != self._state and not self._is_old(run):
            self._state = state
            self._told.append(run)
            self._woken.set()

    async def run(self) -> None:
        """Make updates until the run is over; viewers are told of the end."""
        failure: Exception | None = None
        try:
            while not (self._latest is not None and self._latest.update.final):
                self._woken.clear()
                due_ns = self._clock.monotonic_ns() + int(INTERVAL_S * 1e9)
                await self._make(self._told.popleft() if self._told else None)
                await self._wait(due_ns)
        except StoreError as error:
            failure = error
        except Exception:
            log.exception("the updates of a run have met a defect")
            failure = FeedFailed()
        except asyncio.CancelledError:
            failure = FeedCut()
            raise
        finally:
            self.over = True
            for box in self._boxes:
                box.close(failure)

    async def _make(self, told: RunRow | None) -> None:
        """Make one update. A store that is away is mentioned to those who have seen the run, and raised to others."""
        try:
            # A store that hangs must not keep the server from ending.
            update = await to_thread.run_sync(
                partial(self._reader.read, told), limiter=self._limiter, abandon_on_cancel=True
            )
        except RunNotFound:
            raise
        except StoreError as error:
            repeated = self._reader.repeat(f"no news: {error.message}")
            if repeated is None:
                raise
            update = repeated
        if not self._told:
            self._state = (update.status, update.phase)
        self._latest = published = Published(update)
        for box in self._boxes:
            box.put(published)

    async def _wait(self, due_ns: int) -> None:
        """Wait until the next update is due, or something has happened; before the start for the latter alone."""
        assert self._latest is not None, "an update was made"
        if self._told or self._latest.update.final:
            return
        if self._latest.update.status is RunStatus.PREPARED:
            await self._woken.wait()
            return
        remaining_s = (due_ns - self._clock.monotonic_ns()) / 1e9
        try:
            async with asyncio.timeout(max(0.0, remaining_s)):
                await self._woken.wait()
        except TimeoutError:
            return

    def _is_old(self, run: RunRow) -> bool:
        """Say whether a row was read before one that is known."""
        known = self._told[-1].now if self._told else self._latest.update.timestamp if self._latest else None
        return known is not None and run.now < known
