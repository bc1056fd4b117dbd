"""One simulated client of a driver that blocks: its connection, its work, and the records that nobody has taken yet."""

import threading
from collections import Counter, deque
from collections.abc import Iterator  # noqa: TC003 - evaluated by readers of the annotations

from upperbound.domain.outcomes import Outcome  # noqa: TC001 - evaluated by readers of the annotations
from upperbound.domain.phases import Phase
from upperbound.targets.blocking import BlockingConnection
from upperbound.workload.streams import Row, ThreadStream


class ThreadClient:
    """What one thread of the load holds.

    Its own thread writes it; others read single attributes, take from the left end of :attr:`records`, and set
    :attr:`nudge`. So no lock is needed for each query.
    """

    def __init__(self, index: int, stream: ThreadStream) -> None:
        self.index = index
        self.operations: Iterator[int] = stream.operations
        self.rows: tuple[Iterator[Row | None], ...] = stream.rows
        self.connection: BlockingConnection | None = None
        self.records: deque[tuple[bytes, bytes]] = deque()
        """Records of operations that have ended, each with what the server calls its statement."""
        self.phase = Phase.WARMUP
        """What the session is marked for."""
        self.busy = False
        """Whether an operation is in flight."""
        self.opening = False
        """Whether its connection is being opened again; a driver may take long to give that up."""
        self.free_ns = 0
        """Since when it has had nothing to do."""
        self.retried: Counter[Outcome] = Counter()
        """What the attempts of the operation before the present one have ended with."""
        self.nudge = threading.Event()
        """Ends a pause."""
        self.thread: threading.Thread | None = None

    def attach(self, connection: BlockingConnection) -> None:
        """Take over an open connection, which is marked for the warmup."""
        self.connection, self.phase = connection, Phase.WARMUP

    def detach(self) -> None:
        """Close the connection, if there is one; never raises."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()
