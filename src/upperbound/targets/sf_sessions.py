"""The sessions of a worker's threads: how they are tagged, used and cancelled."""

import contextlib
import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from upperbound.domain.phases import Phase
from upperbound.domain.statement_ids import pack_statement_id
from upperbound.errors import TargetError, TargetMismatch, UpperboundError
from upperbound.targets.blocking import BlockingConnection, BlockingStatement, StatementFailed
from upperbound.targets.sf_connection import SnowflakeInfo, open_session, outcome_of, query
from upperbound.targets.sf_session_type import Session

CANCEL_AT_ONCE: Final = 50
"""Sessions whose statements are cancelled by one statement."""
FETCH_ROWS: Final = 100
"""Larger answers are fetched as Arrow, which makes no Python object for each value."""
_RUNNING: Final = """
    SELECT QUERY_ID FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000))
    WHERE STARTSWITH(QUERY_TAG, ?) AND EXECUTION_STATUS IN ('RUNNING', 'QUEUED', 'BLOCKED')
"""
_PHASES: Final = {Phase.WARMUP: "WARMUP", Phase.MEASUREMENT: "RUNNING"}


def query_tag(run_id: str, worker_id: str, phase: Phase) -> str:
    """Return the ``QUERY_TAG`` of a worker's sessions in a phase of the load."""
    return f"upperbound:run_id={run_id}:worker={worker_id}:phase={_PHASES[phase]}"


class SnowflakeSessions:
    """Opens the sessions of one worker; see :class:`upperbound.targets.blocking.BlockingSessions`."""

    def __init__(self, info: SnowflakeInfo, run_id: str, worker_id: str) -> None:
        self._tags = {phase: query_tag(run_id, worker_id, phase) for phase in _PHASES}
        settings = replace(info.settings, query_tag=self._tags[Phase.WARMUP])
        self._info = replace(info, settings=settings)
        self._control_info = replace(info, settings=replace(settings, query_tag=f"upperbound:run_id={run_id}:control"))
        self._control: Session | None = None
        self._lock = threading.Lock()

    def connect(self) -> "SnowflakeSession":
        """Open a session, tagged for the warmup. Raises :class:`TargetError`."""
        return SnowflakeSession(open_session(self._info), self._tags)

    def cancel(self, connections: Sequence[BlockingConnection]) -> int:
        """Cancel what these sessions execute, over a session of its own; never raises."""
        ids = [session.session_id for session in connections if isinstance(session, SnowflakeSession)]
        known = [session_id for session_id in ids if session_id is not None]
        asked = 0
        with self._lock:
            for first in range(0, len(known), CANCEL_AT_ONCE):
                some = known[first : first + CANCEL_AT_ONCE]
                try:
                    if self._control is None:
                        self._control = open_session(self._control_info)
                    query(self._control, f"SELECT {', '.join(f'SYSTEM$CANCEL_ALL_QUERIES({one})' for one in some)}")
                    asked += len(some)
                except UpperboundError:
                    self._drop_control()
        return asked

    def close(self) -> None:
        """Close the session that cancels."""
        with self._lock:
            self._drop_control()

    def _drop_control(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            _close(control)


def end_statements(info: SnowflakeInfo, run_id: str) -> int:
    """Cancel every statement of the run's workers that Snowflake still executes, and return how many there were.

    Those of a worker that was killed go on until Snowflake notices.

    Raises:
        TargetError: the account cannot be reached, or does not let this role see or cancel them.
    """
    with contextlib.closing(open_session(info)) as connection:
        try:
            running = query(connection, _RUNNING, [f"upperbound:run_id={run_id}:"])
            for row in running:
                query(connection, "SELECT SYSTEM$CANCEL_QUERY(?)", [str(row["query_id"])])
        except TargetMismatch as error:
            raise TargetError(f"the statements of run {run_id} cannot be ended: {error.message}") from None
    return len(running)


class SnowflakeSession:
    """One session of the load; see :class:`upperbound.targets.blocking.BlockingConnection`."""

    def __init__(self, connection: Session, tags: dict[Phase, str]) -> None:
        import snowflake.connector

        self._connection, self._tags = connection, tags
        self._cursor: Any = connection.cursor()
        self._statement_id: str | None = None
        # What the driver wraps around it reports the use of its interface, and takes as long as all of ours.
        kind: Any = type(self._cursor)
        self._id_of: Callable[[Any], str | None] = inspect.unwrap(kind.sfqid.fget)
        self._errors = snowflake.connector.errors.Error
        self._no_arrow = snowflake.connector.errors.NotSupportedError
        self._small: set[str] = set()
        """Queries whose last answer was small: the next one is fetched as rows, whatever its size, and counted."""

    @property
    def session_id(self) -> int | None:
        """Snowflake's number for the session; None when it has told none."""
        try:
            return int(self._connection.session_id)
        except (TypeError, ValueError, self._errors):
            return None

    def execute(self, statement: BlockingStatement, row: Sequence[bytes | None]) -> int:
        """Execute a statement, fetch its whole answer, and return the rows that it returned or changed."""
        values = statement.values(row)
        cursor = self._cursor
        try:
            cursor.execute(statement.text, values or None)
            count = self._fetch(statement)
        except self._errors as error:
            if statement.counts:
                self._statement_id = getattr(error, "sfqid", None)
            raise _failed(error) from None
        if statement.counts:
            self._statement_id = self._id_of(cursor)
        return count

    def take_statement_id(self) -> bytes:
        """Return Snowflake's id of the statement that counts and was executed last, and forget it."""
        told, self._statement_id = self._statement_id, None
        return pack_statement_id(told)

    def enter(self, phase: Phase) -> None:
        """Change the tag of the session."""
        try:
            # The tag is made of ids of ours; ALTER SESSION takes no parameters.
            self._cursor.execute(f"ALTER SESSION SET QUERY_TAG = '{self._tags[phase]}'")
        except self._errors as error:
            raise _failed(error) from None

    def close(self) -> None:
        """Close the session; never raises."""
        _close(self._connection)

    def _fetch(self, statement: BlockingStatement) -> int:
        """Fetch the whole answer, and return how many rows of the operation it has."""
        cursor, text = self._cursor, statement.text
        if text in self._small:
            count = len(cursor.fetchall())
            if count > FETCH_ROWS:
                self._small.discard(text)
            return count
        # Asking the driver for this number costs a twentieth of what a point lookup does.
        count = max(0, int(cursor.rowcount or 0)) if statement.counts else 0
        if count > FETCH_ROWS:
            self._fetch_many()
            return count
        cursor.fetchall()
        if statement.is_query:
            self._small.add(text)
        return count

    def _fetch_many(self) -> None:
        try:
            self._cursor.fetch_arrow_all()
        except self._no_arrow:
            self._cursor.fetchall()


def _failed(error: Exception) -> StatementFailed:
    outcome, code, said, broken = outcome_of(error)
    return StatementFailed(outcome, code, said, broken=broken)


def _close(connection: Session) -> None:
    """Close a connection, whatever state it is in."""
    # A session that cannot be closed ends by itself.
    with contextlib.suppress(Exception):
        connection.close(retry=False)
