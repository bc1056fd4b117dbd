"""A WebSocket client that reads what a test tells it to, and nothing else from its socket."""

import json
import socket
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.uri import parse_uri


class Viewer:
    """Reads updates one by one; between two calls nothing is taken from the socket and no ping is answered."""

    def __init__(self, url: str, *, receive_buffer: int | None = None, deadline_s: float = 60.0) -> None:
        uri = parse_uri(url)
        self._protocol = ClientProtocol(uri)
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(deadline_s)
        self._socket.connect((uri.host, uri.port))
        self._protocol.send_request(self._protocol.connect())
        self._frames: list[Frame] = []
        self._flush()
        while not self._protocol.handshake_exc and self._protocol.state.name == "CONNECTING":
            self._receive()
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def update(self) -> dict[str, Any] | None:
        """Return the next update; None when the server has closed."""
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame.opcode is Opcode.TEXT:
                    message = json.loads(bytes(frame.data))
                    assert message["event"] == "RUN_UPDATE"
                    data: dict[str, Any] = message["data"]
                    return data
            if self._protocol.close_rcvd is not None or self._protocol.eof_sent:
                return None
            self._receive()

    @property
    def closed(self) -> tuple[int, str]:
        """Code and reason of the server's close; 1006 when there was none."""
        closed = self._protocol.close_rcvd
        return (closed.code, closed.reason) if closed is not None else (CloseCode.ABNORMAL_CLOSURE, "")

    def leave(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        # Pings are answered here, in their order among the other frames.
        self._frames += [event for event in self._protocol.events_received() if isinstance(event, Frame)]
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
