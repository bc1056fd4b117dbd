"""A box with one place: whoever comes late finds the newest item and no pile."""

import asyncio
from typing import Generic, TypeVar

Item = TypeVar("Item")


class MailboxClosed(Exception):
    """Nothing more will come."""


class Mailbox(Generic[Item]):
    """Holds the newest item until it is taken; used within one event loop, by one taker."""

    def __init__(self) -> None:
        self._item: Item | None = None
        self._closed: Exception | None = None
        self._changed = asyncio.Event()

    def put(self, item: Item) -> None:
        """Leave an item, in place of one that nobody has taken."""
        self._item = item
        self._changed.set()

    def close(self, reason: Exception | None = None) -> None:
        """Let :meth:`take` raise ``reason``, :class:`MailboxClosed` without one, once the last item is taken."""
        self._closed = self._closed or reason or MailboxClosed()
        self._changed.set()

    async def take(self) -> Item:
        """Wait for an item that was not taken yet, and return it. Raises what :meth:`close` was given."""
        while self._item is None:
            if self._closed is not None:
                raise self._closed
            self._changed.clear()
            await self._changed.wait()
        item, self._item = self._item, None
        return item
