"""A way to a server that can be cut for a while, as a network does it: no answer, no new connection, no word."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.emulators.handle import HOST

_CHUNK_BYTES = 65_536


class Way:
    """Passes on what comes to a port of its own; while it is cut, whoever connects is refused."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening = self._listen(0)
        self.port: int = self._listening.getsockname()[1]

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Break every connection, and take no other one, for the length of the block."""
        self.close()
        yield
        self._listening = self._listen(self.port)

    def close(self) -> None:
        """Break every connection and take no further one."""
        _end(self._listening)
        with self._lock:
            for connection in self._open:
                _end(connection)
            self._open.clear()

    def _listen(self, port: int) -> socket.socket:
        listening = socket.create_server((HOST, port), backlog=128)
        threading.Thread(target=self._accept, args=(listening,), name="way", daemon=True).start()
        return listening

    def _accept(self, listening: socket.socket) -> None:
        """Connect whoever comes, until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection((HOST, self._to))
                with self._lock:
                    self._open |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(one, other), name="way", daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until one of them ends, and end the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    _end(sink)


def _end(connection: socket.socket) -> None:
    """End a connection, also one that another thread waits for."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """Lend a way to a port of this machine."""
    way = Way(port)
    yield way
    way.close()
