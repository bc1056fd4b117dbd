"""One thread of the load: its connection, its work, and what it is waiting for."""

from collections.abc import Callable

import psycopg  # noqa: TC002 - evaluated by readers of the annotations

from upperbound.workload.streams import Row, ThreadStream

IDLE = -1
"""The operation index of a client that has no query in flight."""


class Client:
    """A simulated client that holds one connection; the word users see is "thread".

    The bound methods of libpq are kept as attributes because the measuring loop calls them several times per query.
    """

    __slots__ = (
        "attempt",
        "busy",
        "connection",
        "consume",
        "fd",
        "flush",
        "index",
        "next_operation",
        "next_row",
        "opening",
        "operation",
        "result",
        "send",
        "start_ns",
        "until_ns",
    )

    consume: Callable[[], None]
    busy: Callable[[], int]
    result: Callable[[], "psycopg.pq.abc.PGresult | None"]
    send: Callable[..., None]
    flush: Callable[[], int]

    def __init__(self, index: int, stream: ThreadStream) -> None:
        self.index = index
        self.next_operation: Callable[[], int] = stream.next_operation
        self.next_row: tuple[Callable[[], Row | None], ...] = stream.next_row
        self.connection: psycopg.Connection[tuple[object, ...]] | None = None
        self.fd = -1
        self.operation = IDLE
        self.start_ns = 0
        self.until_ns = 0
        """No query is sent by the loop itself at or after this time; 0 while the client rests between queries."""
        self.opening = False
        """Whether a connection is being opened."""
        self.attempt = 0
        """Reconnections tried since the connection was lost."""

    def attach(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """Take over an open, prepared connection and switch it to non-blocking mode."""
        link = connection.pgconn
        link.nonblocking = 1
        self.connection = connection
        self.consume, self.busy, self.result = link.consume_input, link.is_busy, link.get_result
        self.send, self.flush = link.send_query_prepared, link.flush
        self.fd = link.socket
        self.operation = IDLE
        self.attempt = 0

    def detach(self) -> None:
        """Close the connection, if there is one; never raises."""
        connection, self.connection = self.connection, None
        self.operation = IDLE
        if connection is not None:
            connection.close()
