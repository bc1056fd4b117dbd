"""Opening the connections of a driver that blocks: so many at a time, and some of them again."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from upperbound.errors import TargetError, TargetUnreachable
from upperbound.loadgen.opening import PARALLEL
from upperbound.loadgen.thread_client import ThreadClient
from upperbound.targets.blocking import BlockingConnection

ATTEMPTS: Final = 3
"""How often a connection is tried before the load."""
AGAIN_S: Final = 0.5
"""The wait before the second attempt; twice as long before the third."""


_CALLED_OFF: Final = TargetError("not tried, as another connection could not be opened")


class ThreadOpener:
    """Opens connections, :data:`PARALLEL` at a time whoever asks."""

    def __init__(self, connect: Callable[[], BlockingConnection]) -> None:
        self._connect = connect
        self._room = threading.BoundedSemaphore(PARALLEL)
        self._over = threading.Event()

    def open(self) -> BlockingConnection:
        """Open one connection, when there is room. Raises :class:`TargetError`."""
        with self._room:
            return self._connect()

    def open_all(self, clients: Sequence[ThreadClient], progress: Callable[[int], None]) -> None:
        """Open every client's connection before the load; calls ``progress`` with the number open so far.

        A server that cannot be reached is tried again; one that refuses the login is not: that would lock the user out.

        Raises:
            TargetError: connections could not be opened; those that are open are left to the caller to close.
        """
        errors: list[TargetError] = []
        opened = 0
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="open-connection") as pool:
            try:
                for future in as_completed([pool.submit(self._open_patiently, client) for client in clients]):
                    error = future.result()
                    if error is None:
                        opened += 1
                        progress(opened)
                        continue
                    errors.append(error)
                    # The others would fail as well, and be waited for.
                    self._over.set()
            finally:
                self._over.set()
        if errors:
            raise _told([error for error in errors if error is not _CALLED_OFF], opened, len(clients))

    def _open_patiently(self, client: ThreadClient) -> TargetError | None:
        """Open a client's connection; return why that cannot be."""
        failure: TargetError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            if self._over.is_set():
                # What it has failed with so far is a reason; that others have failed is none.
                return failure or _CALLED_OFF
            try:
                client.attach(self.open())
            except TargetUnreachable as error:
                failure = error
                if attempt < ATTEMPTS:
                    self._over.wait(AGAIN_S * 2 ** (attempt - 1))
            except TargetError as error:
                return error
            else:
                return None
        return failure


def _told(errors: Sequence[TargetError], opened: int, wanted: int) -> TargetError:
    """Return one error for all: how many of how many there were, after how many attempts, and why."""
    for error in errors:
        if not isinstance(error, TargetUnreachable) or wanted == 1:
            return error
    rest = wanted - opened - len(errors)
    untried = f", and {rest} were not tried any more" if rest else ""
    return TargetUnreachable(
        f"of {wanted} connections {opened} could be opened and {len(errors)} could not, in up to {ATTEMPTS} attempts "
        f"each{untried}: {errors[0].message}",
        hint=errors[0].hint or "lower load.threads, or see what limits sessions on the server",
    )
