"""Everybody who watches a run: one reading a second for all of them, and none when there is nobody."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import CapacityLimiter

from upperbound.api.errors import ApiProblem
from upperbound.api.live.feed import Feed, Published
from upperbound.api.live.mailbox import Mailbox, MailboxClosed
from upperbound.api.live.pushes import LivePushes
from upperbound.api.live.reader import RunReader
from upperbound.clock import Clock
from upperbound.store.engine import Store
from upperbound.store.runs import RunRow
from upperbound.views.live_payload import RunUpdate

log = logging.getLogger(__name__)

MOST_VIEWERS: Final = 1_000
"""Viewers of one process, of all runs together."""
READERS: Final = 4
"""Runs that are read at the same time, so that live values never take all connections to the store."""


class TooManyViewers(ApiProblem):
    """The process has as many viewers as it takes."""

    def __init__(self, number: int) -> None:
        detail = f"{number} viewers watch runs already, which is as many as this server takes"
        super().__init__(429, "too_many_viewers", detail, hint="close pages that nobody looks at")


class LiveHub:
    """Lets any number of viewers watch runs.

    A run is read by the first who watches it and for as long as there is one. Used within one event loop, but for
    :meth:`hear` and :meth:`wake`, which may be called from any thread.
    """

    def __init__(
        self, store: Store, clock: Clock, *, pushes: LivePushes | None = None, most_viewers: int = MOST_VIEWERS
    ) -> None:
        self._store, self._clock, self._pushes, self._most = store, clock, pushes, most_viewers
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._limiter = CapacityLimiter(READERS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._viewers = 0

    def open(self) -> None:
        """Belong to the running event loop from now on."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """End every feed; its viewers are told that nothing more comes."""
        self._loop = None
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def viewers(self) -> int:
        """How many there are now."""
        return self._viewers

    def is_watched(self, run_id: str) -> bool:
        """Say whether somebody watches a run."""
        return run_id in self._feeds

    async def subscribe(self, run_id: str) -> AsyncGenerator[RunUpdate, None]:
        """Yield updates of a run, the first at once and the newest each time, until it is over.

        Close the iterator when leaving early (:func:`contextlib.aclosing`), so that nothing is read for you any more.

        Raises:
            RunNotFound: there is no such run, or no more.
            StoreError: the store is away before there is a first update; later that is the update's ``notice``.
            TooManyViewers: there are :data:`MOST_VIEWERS`.
        """
        async with self.watch(run_id) as box:
            while True:
                try:
                    published = await box.take()
                except MailboxClosed:
                    return
                yield published.update

    @asynccontextmanager
    async def watch(self, run_id: str) -> AsyncIterator[Mailbox[Published]]:
        """Lend the mailbox that a run's updates come into; see :meth:`subscribe` for what it raises."""
        if self._viewers >= self._most:
            raise TooManyViewers(self._viewers)
        box: Mailbox[Published] = Mailbox()
        feed = self._feed(run_id)
        feed.join(box)
        self._viewers += 1
        try:
            yield box
        finally:
            self._viewers -= 1
            feed.part(box)
            if not feed.is_watched:
                self._end(run_id, feed)

    def hear(self, run: RunRow) -> None:
        """Take in the row of a run as its loop has read it, at each of its ticks."""
        if run.run_id in self._feeds and (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._pass_on, run)

    def wake(self, run_id: str) -> None:
        """Read a run again soon, because something has happened to it; nothing is done when nobody watches it."""
        if run_id in self._feeds and (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._wake, run_id)

    def _feed(self, run_id: str) -> Feed:
        """Return the run's feed, made for who is the first to watch it."""
        feed = self._feeds.get(run_id)
        if feed is None or feed.over:
            feed = self._feeds[run_id] = Feed(RunReader(self._store, run_id, self._pushes), self._clock, self._limiter)
            task = self._tasks[run_id] = asyncio.create_task(feed.run(), name=f"live values of run {run_id}")
            task.add_done_callback(lambda task: self._done(run_id, task))
        return feed

    def _end(self, run_id: str, feed: Feed) -> None:
        """Stop a feed that nobody watches any more."""
        if self._feeds.get(run_id) is feed:
            del self._feeds[run_id]
            self._tasks[run_id].cancel()

    def _done(self, run_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(run_id) is task:
            del self._tasks[run_id]
            self._feeds.pop(run_id, None)

    def _pass_on(self, run: RunRow) -> None:
        if (feed := self._feeds.get(run.run_id)) is not None:
            feed.hear(run)

    def _wake(self, run_id: str) -> None:
        if (feed := self._feeds.get(run_id)) is not None:
            feed.wake()
