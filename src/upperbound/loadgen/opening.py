"""Opening connections beside the loop: parallel, bounded, and never in the loop's thread."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import psycopg

from upperbound.errors import TargetError
from upperbound.loadgen.client import Client

PARALLEL = 32
"""Connections opened at a time."""

Connection = psycopg.Connection[tuple[object, ...]]
Connect = Callable[[], Connection]
"""Opens one connection with every statement prepared; does not hold the interpreter lock; raises TargetError."""


@dataclass(frozen=True)
class Arrival:
    """The outcome of one attempt to open a client's connection."""

    client: Client
    connection: Connection | None
    error: TargetError | None


class Opener:
    """A bounded pool of threads that open connections and hand them over."""

    def __init__(self, connect: Connect, announce: Callable[[], None]) -> None:
        """Open with ``connect``; ``announce`` is called from a pool thread whenever an arrival is there to be taken."""
        self._connect = connect
        self._announce = announce
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="open-connection")
        self._arrivals: deque[Arrival] = deque()

    def open_all(self, clients: Iterable[Client], progress: Callable[[int], None]) -> None:
        """Open every client's connection before the load; calls ``progress`` with the number open so far.

        When one fails, no further one is begun, and those on their way are waited for, so that none is left without a
        client that closes it.

        Raises:
            TargetError: one connection could not be opened; those already open are left to the caller to close.
        """
        attempts: dict[Future[Connection], Client] = {self._pool.submit(self._connect): c for c in clients}
        failure, number = None, 0
        for future in as_completed(attempts):
            if future.cancelled():
                continue
            try:
                attempts[future].attach(future.result())
            except TargetError as error:
                failure = failure or error
                for other in attempts:
                    other.cancel()
            else:
                progress(number := number + 1)
        if failure is not None:
            raise failure

    def open(self, client: Client) -> None:
        """Start to open one client's connection; the outcome arrives in :meth:`arrivals`."""

        def done(future: Future[Connection]) -> None:
            error = future.exception() if not future.cancelled() else TargetError("the load has ended")
            if error is None:
                self._arrivals.append(Arrival(client, future.result(), None))
            else:
                failure = error if isinstance(error, TargetError) else TargetError(f"cannot connect: {error}")
                self._arrivals.append(Arrival(client, None, failure))
            self._announce()

        self._pool.submit(self._connect).add_done_callback(done)

    def arrivals(self) -> Iterable[Arrival]:
        """Yield what has arrived since the last call."""
        while self._arrivals:
            yield self._arrivals.popleft()

    def close(self) -> None:
        """Give up what has not started, wait for what has, and close what arrived too late."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for arrival in self.arrivals():
            if arrival.connection is not None:
                arrival.connection.close()
