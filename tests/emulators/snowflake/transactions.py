"""Transactions as Snowflake has them, on an engine that has other ones.

Snowflake's are READ COMMITTED: each statement sees what was committed before it, a statement that fails leaves the
transaction as it was, and one that meets a row that another transaction wrote waits for that one to end. The engine
gives a transaction one view of the data, refuses conflicting writes, and ends it at the first error. So a transaction
here begins at its first write, keeps a list of its writes, and where the engine gives up it is begun anew with the same
writes. All this happens under one lock for all writes, so that nobody sees it let go of a row.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
from tests.emulators.snowflake.engine import forget_prepared
from tests.emulators.snowflake.errors import CANCELED, INTERNAL, LOCK_TIMEOUT, Conflict, SqlError, from_engine
from tests.emulators.snowflake.results import Result
from tests.emulators.snowflake.sessions import Running, Session

MOST_WAIT_S = 30.0
"""How long a statement waits for a row at most, where LOCK_TIMEOUT does not say less."""

IDLE_ABORT_S = 300.0
"""How long an open transaction that is in the way of another may be idle before it is rolled back, as on Snowflake."""

Work = Callable[[], Result]


@dataclass
class OpenTransaction:
    """A transaction of a session; ``begun`` tells whether the engine has it, too."""

    number: str
    begun: bool = False
    active_s: float = field(default_factory=time.monotonic)
    """When its last write ended, by the monotonic clock."""
    writes: list[Work] = field(default_factory=list)


class Transactions:
    """Runs the writes of all sessions."""

    def __init__(self, sessions: Callable[[], list[Session]] = list) -> None:
        """Look among ``sessions`` for transactions that are idle and in the way."""
        self._sessions = sessions
        self.idle_abort_s = IDLE_ABORT_S
        self._gate = threading.RLock()
        self._ended = threading.Condition()

    def begin(self, session: Session) -> None:
        """Open a transaction; one that is open stays so."""
        if session.transaction is None:
            session.transaction = OpenTransaction(str(time.time_ns()))

    def commit(self, session: Session) -> None:
        """Commit the open transaction, if there is one. Raises SqlError where the engine finds a conflict only now."""
        transaction, session.transaction = session.transaction, None
        if transaction is None or not transaction.begun:
            return
        with self._gate:
            try:
                _engine(session).execute("COMMIT")
            except duckdb.Error as error:
                _roll_back(session)
                found = from_engine(type(error).__name__, str(error))
                raise found if isinstance(found, SqlError) else _waited_too_long() from error
            finally:
                self._tell_end()

    def roll_back(self, session: Session) -> None:
        """Roll back the open transaction, if there is one."""
        transaction, session.transaction = session.transaction, None
        if transaction is not None and transaction.begun:
            with self._gate:
                _roll_back(session)
            self._tell_end()

    def define(self, session: Session, running: Running, work: Work) -> Result:
        """Run a statement that changes definitions: the open transaction is committed first, as Snowflake does."""
        self.commit(session)

        def attempt() -> Result:
            result = work()
            self._tell_end()
            return result

        try:
            return self._until_free(session, running, attempt)
        finally:
            forget_prepared()

    def write(self, session: Session, running: Running, work: Work) -> Result:
        """Run a statement that changes rows, in the open transaction or in one of its own."""
        if session.parameter("AUTOCOMMIT", "TRUE").upper() == "FALSE":
            self.begin(session)
        transaction: OpenTransaction | None = session.transaction
        if transaction is None:
            return self._until_free(session, running, lambda: self._alone(session, work))
        return self._until_free(session, running, lambda: self._inside(session, transaction, work))

    def _alone(self, session: Session, work: Work) -> Result:
        engine = _engine(session)
        engine.execute("BEGIN")
        try:
            result = work()
            engine.execute("COMMIT")
        except duckdb.Error as error:
            _roll_back(session)
            raise from_engine(type(error).__name__, str(error)) from error
        except BaseException:
            _roll_back(session)
            raise
        self._tell_end()
        return result

    def _inside(self, session: Session, transaction: OpenTransaction, work: Work) -> Result:
        if not transaction.begun:
            _engine(session).execute("BEGIN")
            transaction.begun = True
        try:
            result = work()
        except Conflict:
            # Perhaps the other transaction has ended, and only this one's view of the data is too old.
            self._renew(session, transaction)
            try:
                result = work()
            except BaseException:
                self._renew(session, transaction)
                raise
        except BaseException:
            self._renew(session, transaction)
            raise
        transaction.writes.append(work)
        transaction.active_s = time.monotonic()
        return result

    def _renew(self, session: Session, transaction: OpenTransaction) -> None:
        """Begin the engine's transaction anew, with the writes it had."""
        _roll_back(session)
        transaction.begun = False
        if not transaction.writes:
            return
        _engine(session).execute("BEGIN")
        transaction.begun = True
        try:
            for write in transaction.writes:
                write()
        except BaseException as error:
            _roll_back(session)
            session.transaction = None
            raise SqlError(
                *INTERNAL, f"The emulator could not repeat the writes of the transaction: {error}"
            ) from error

    def _until_free(self, session: Session, running: Running, attempt: Work) -> Result:
        """Attempt until no other transaction is in the way."""
        start_s = time.monotonic()
        limit_s = min(MOST_WAIT_S, float(session.parameter("LOCK_TIMEOUT", str(MOST_WAIT_S))))
        waited = False
        while True:
            with self._gate:
                if running.cancelled.is_set():
                    raise SqlError(*CANCELED, "SQL execution canceled")
                try:
                    return attempt()
                except Conflict:
                    waited = True
                    self._abort_idle()
                finally:
                    if waited:
                        running.blocked_ms = int((time.monotonic() - start_s) * 1000)
            if time.monotonic() - start_s > limit_s:
                raise _waited_too_long()
            with self._ended:
                self._ended.wait(0.05)

    def _abort_idle(self) -> None:
        """Roll back transactions that nobody goes on with: whoever began them may be gone."""
        latest_s = time.monotonic() - self.idle_abort_s
        for session in self._sessions():
            transaction: OpenTransaction | None = session.transaction
            if (
                transaction is not None
                and transaction.begun
                and not session.running
                and transaction.active_s < latest_s
            ):
                self.roll_back(session)

    def _tell_end(self) -> None:
        with self._ended:
            self._ended.notify_all()


def _engine(session: Session) -> Any:
    return session.engine._duck_conn


def _roll_back(session: Session) -> None:
    try:
        _engine(session).execute("ROLLBACK")
    except duckdb.Error:
        return  # the engine had ended it by itself


def _waited_too_long() -> SqlError:
    return SqlError(*LOCK_TIMEOUT, "Statement was aborted: another transaction holds the lock and has not released it.")
