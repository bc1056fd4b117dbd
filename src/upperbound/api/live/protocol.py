"""How updates go over a WebSocket: one at a time, the next when the viewer has the last.

A socket takes in much more than a viewer that is stuck has read: seconds or minutes of updates, which it would have to
work through when it goes on. So each update is followed by a ping, and counts as sent when its pong is back: every
WebSocket client, browsers included, answers pings by itself and in order.
"""

import asyncio
import struct
from asyncio import BaseTransport
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

VIEWERS_PATH: Final = "/ws/test/"
"""Begins the paths on which updates are sent; other WebSockets are left as they are."""
PING_S: Final = 10.0
"""Between two pings that tell whether a viewer is still there."""
PONG_S: Final = 20.0
"""A viewer that has not answered for so long is cut off."""


class ViewerProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, with updates that are acknowledged."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin."""
        self._sent = 0
        self._received = asyncio.Event()
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for a viewer that has gone."""
        super().connection_lost(exc)
        self._received.set()

    def handle_pong(self, event: Frame) -> None:
        """Take in that the viewer has received everything up to a ping."""
        if event.data == self._ping:
            self._received.set()
        else:
            super().handle_pong(event)

    async def send(self, message: Any) -> None:
        """Send a message; an update has been received when this returns. Raises :class:`ClientDisconnected`."""
        await super().send(message)
        if message["type"] != "websocket.send" or not self.scope["path"].startswith(VIEWERS_PATH):
            return
        self._sent += 1
        self._received.clear()
        self.conn.send_ping(self._ping)
        self.transport.write(b"".join(self.conn.data_to_send()))
        await self._received.wait()
        if self.disconnected:
            raise ClientDisconnected

    @property
    def _ping(self) -> bytes:
        # Longer than the four bytes of uvicorn's own pings.
        return struct.pack("!Q", self._sent)
