"""One thread of the load: its connection, its work, and what it is waiting for."""

from collections import Counter
from collections.abc import Callable, Iterator

import psycopg  # noqa: TC002 - evaluated by readers of the annotations

from upperbound.domain.outcomes import Outcome  # noqa: TC001 - evaluated by readers of the annotations
from upperbound.workload.streams import Row, ThreadStream

IDLE = -1
"""The operation index of a client that has no query in flight."""

Calls = tuple[
    Callable[[], None], Callable[[], int], Callable[[], "psycopg.pq.abc.PGresult | None"], Callable[..., None]
]


class Client:
    """A simulated client that holds one connection; the word users see is "thread".

    The bound methods of libpq are kept as attributes because the measuring loop calls them several times per query,
    and those it always calls as one tuple besides: unpacking that costs less than looking each of them up.
    """

    __slots__ = (
        "attempt",
        "busy",
        "calls",
        "connection",
        "consume",
        "failure",
        "fd",
        "flush",
        "index",
        "lag_before_ns",
        "opening",
        "operation",
        "operations",
        "result",
        "retried",
        "retries",
        "row",
        "rows",
        "rows_before",
        "send",
        "sent_ns",
        "start_ns",
        "statement",
        "until_ns",
    )

    consume: Callable[[], None]
    busy: Callable[[], int]
    result: Callable[[], "psycopg.pq.abc.PGresult | None"]
    send: Callable[..., None]
    flush: Callable[[], int]
    calls: Calls
    """``consume``, ``busy``, ``result`` and ``send``."""

    def __init__(self, index: int, stream: ThreadStream) -> None:
        self.index = index
        self.operations: Iterator[int] = stream.operations
        self.rows: tuple[Iterator[Row | None], ...] = stream.rows
        self.connection: psycopg.Connection[tuple[object, ...]] | None = None
        self.fd = -1
        self.operation = IDLE
        self.start_ns = 0
        self.sent_ns = 0
        """When a statement after the first was sent; what is before ``start_ns`` is of another operation."""
        self.statement = 0
        """The statement of the operation that was sent last."""
        self.row: Row | None = None
        """The parameters of all its statements."""
        self.rows_before = 0
        """Rows returned or affected by the statements of this attempt that have been answered."""
        self.lag_before_ns = 0
        """How long their answers waited for the generator."""
        self.failure: tuple[int, int] | None = None
        """Outcome and error number of the attempt, while it is being rolled back."""
        self.retries = 0
        """Attempts of the operation before this one."""
        self.retried: Counter[Outcome] = Counter()
        """What those attempts have ended with."""
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
        self.calls = (self.consume, self.busy, self.result, self.send)
        self.fd = link.socket
        self.operation, self.failure = IDLE, None
        self.attempt = 0

    def detach(self) -> None:
        """Close the connection, if there is one; never raises."""
        connection, self.connection = self.connection, None
        self.operation = IDLE
        if connection is not None:
            connection.close()
