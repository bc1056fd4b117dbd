"""The parts of a data set, loaded over several connections at once."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString, Protocol

import psycopg
from psycopg import sql

from upperbound.errors import DataLoadFailed
from upperbound.targets.datasets.dataset import DataSet, Part, Recipe
from upperbound.targets.datasets.rows import BINARY_HEADER, BINARY_TRAILER
from upperbound.targets.pg_connection import ConnInfo, open_connection
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_load_ledger import Ledger

_LOOK_S: Final = 0.2
"""Between two looks at the threads, while none has anything to say."""
_CANCEL_S: Final = 5.0

# What a user or a database has set by default must neither end a long statement nor change how values are read.
_SESSION: Final = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
}
# An older server does not know every one of them.
_SET: Final[LiteralString] = """
    SELECT set_config(name, wanted.value, false)
    FROM unnest(%s::text[], %s::text[]) AS wanted (name, value) JOIN pg_settings USING (name)
"""


@dataclass(frozen=True)
class LoadPlace:
    """Where a data set is loaded."""

    target: ConnInfo
    schema: str
    data_set: DataSet


class RowsLoaded(Protocol):
    """Is told of rows as they are sent."""

    def loaded(self, rows: int) -> None:
        """Count ``rows`` more."""
        ...


@contextlib.contextmanager
def load_connection(place: LoadPlace) -> Iterator[Connection]:
    """Lend a connection whose unqualified names are those of the schema.

    Raises:
        TargetError: there is no way in.
    """
    with open_connection(place.target) as connection:
        connection.execute(_SET, [list(_SESSION), list(_SESSION.values())])
        path = sql.Identifier(place.schema).as_string(connection)
        connection.execute("SELECT set_config('search_path', %s, false)", [path])
        yield connection


class PartLoaders:
    """Threads that load parts, each part in one transaction together with its line in the ledger.

    Threads, not processes: rows are made by numpy, and most of the time is the server's.
    """

    def __init__(self, place: LoadPlace, recipe: Recipe, parts: Sequence[Part], jobs: int) -> None:
        self._place, self._recipe = place, recipe
        self._open: queue.SimpleQueue[Part] = queue.SimpleQueue()
        for part in parts:
            self._open.put(part)
        self._said: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
        """Rows that were sent, why a thread has failed, or None when it has ended well."""
        self._stop = threading.Event()
        self._connections: dict[int, Connection] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"load-{number}", daemon=True)
            for number in range(min(jobs, len(parts)))
        ]

    def run(self, watcher: RowsLoaded) -> None:
        """Load all parts.

        However this ends, no thread of it is at work any more. A failure of one thread stops the others.

        Raises:
            DataLoadFailed: the server took another number of rows than it was sent.
            TargetError: a connection could not be opened.
            psycopg.Error: the server refused a part, or a connection broke.
            KeyboardInterrupt: it was interrupted; parts that were not whole are not there.
        """
        for thread in self._threads:
            thread.start()
        left = len(self._threads)
        try:
            while left:
                with contextlib.suppress(queue.Empty):
                    said = self._said.get(timeout=_LOOK_S)
                    if isinstance(said, BaseException):
                        raise said
                    if said is None:
                        left -= 1
                    else:
                        watcher.loaded(said)
        finally:
            self._end()

    def _end(self) -> None:
        """Stop what is going on and wait for the threads."""
        self._stop.set()
        for connection in list(self._connections.values()):
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=_CANCEL_S)
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        try:
            with load_connection(self._place) as connection:
                self._connections[number] = connection
                while not self._stop.is_set():
                    try:
                        part = self._open.get_nowait()
                    except queue.Empty:
                        break
                    self._load(connection, part)
                del self._connections[number]
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            self._connections.pop(number, None)
            self._said.put(error)
        else:
            self._said.put(None)

    def _load(self, connection: Connection, part: Part) -> None:
        """Load one part, or nothing of it."""
        ledger = Ledger(connection, self._place.schema, self._place.data_set)
        with connection.transaction():
            if not ledger.claim_part(part):
                self._said.put(len(part.rows))
                return
            taken = self._copy(connection, part)
            if taken is not None and taken != len(part.rows):
                raise DataLoadFailed(
                    f"the server took {taken:,} rows of {part.table.name} and was sent {len(part.rows):,}",
                    hint="has the table a trigger or a rule? they must not change what is loaded",
                )
            if taken is None:
                raise psycopg.Rollback

    def _copy(self, connection: Connection, part: Part) -> int | None:
        """Send the rows of a part and return how many the server took; None when the load is to stop."""
        table, sent = part.table, 0
        how = sql.SQL("BINARY" if table.binary else "TEXT")
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT {})").format(sql.Identifier(table.name), how)
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                if table.binary:
                    copy.write(BINARY_HEADER)
                for rows in part.chunks():
                    if self._stop.is_set():
                        break
                    copy.write(table.make(self._recipe, rows))
                    self._said.put(len(rows))
                    sent += len(rows)
                if table.binary:
                    copy.write(BINARY_TRAILER)
            return cursor.rowcount if sent == len(part.rows) else None
