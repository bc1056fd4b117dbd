"""How operations go: statement after statement, attempt after attempt, until there is a record of them."""

import select
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus

from upperbound.domain.outcomes import Outcome
from upperbound.loadgen.client import Client
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.operations import RETRIES_MOST, Operation, Statement
from upperbound.querylog.records import RECORD
from upperbound.targets.sqlstate import classify
from upperbound.workload.streams import Row

NEVER = 1 << 62
"""A stop time for a load that nobody has told when to stop."""

TUPLES_OK = int(ExecStatus.TUPLES_OK)
COMMAND_OK = int(ExecStatus.COMMAND_OK)
_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class RecordSink(Protocol):
    """Takes full buffers of records and gives empty ones; never waits."""

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        """Take ``buffer``, of which ``used_bytes`` are filled, and return an empty one of the same size.

        ``statement_ids`` are 16 bytes for each record; None where the server tells none.
        """
        ...


class Failed(Protocol):
    """What is looked at of a failed result."""

    def error_field(self, fieldcode: int, /) -> bytes | None:
        """Return a field of the error."""
        ...

    @property
    def error_message(self) -> bytes:
        """The error as libpq words it."""
        ...


class Sender(ABC):
    """Sends the statements of the clients' operations, and records what has become of each operation.

    One record is written for each operation, whatever the number of its statements and attempts: its time runs from
    before the first statement of the first attempt is sent until the last answer, that to a ROLLBACK included.
    """

    def __init__(
        self, *, operations: Sequence[Operation], sink: RecordSink, errors: ErrorTable, buffer_bytes: int
    ) -> None:
        self._operations = operations
        self._sink = sink
        self._errors = errors
        self._buffer = bytearray(buffer_bytes // RECORD.size * RECORD.size)
        self._offset = 0
        self._recorded_until_ns = 0
        self._epoll = select.epoll()
        self.stop_ns = NEVER
        """When sending ends, or ended, by the monotonic clock."""

    @abstractmethod
    def _go_on(self, client: Client, end_ns: int) -> None:
        """Decide what a client does whose operation has ended and is recorded."""

    def _begin_operation(self, client: Client, row: Row | None) -> None:
        """Send the first statement of the client's operation, whose parameters are all in ``row``."""
        client.row = row
        self._send_statement(client, 0)

    def _send_statement(self, client: Client, number: int) -> None:
        """Send one statement of the client's operation."""
        statement = self._operations[client.operation].statements[number]
        client.statement = number
        row, formats = client.row, statement.param_formats
        client.send(statement.name, row[statement.params] if row and formats else None, formats)
        if statement.may_block:
            self._watch_writable(client)

    def _answered(self, client: Client, result: "psycopg.pq.abc.PGresult", end_ns: int, since_ns: int) -> None:
        """See to the answer to a statement: its operation goes on, is tried again, or has ended.

        The answer may have been there since ``since_ns``, but not before the statement was sent. Raises
        ``psycopg.OperationalError`` when the connection turns out to be broken.
        """
        client.lag_before_ns += end_ns - max(since_ns, client.sent_ns, client.start_ns)
        client.sent_ns = end_ns  # Should another statement of the operation follow, it is sent now.
        if client.failure is not None:
            self._rolled_back(client, end_ns)
        elif result.status not in (TUPLES_OK, COMMAND_OK):
            self._fail(client, result, end_ns)
        else:
            client.rows_before += (result.ntuples if result.status == TUPLES_OK else result.command_tuples) or 0
            following = client.statement + 1
            if following < len(self._operations[client.operation].statements):
                self._send_statement(client, following)
            else:
                self._record(client, end_ns)
                self._go_on(client, end_ns)

    def _fail(self, client: Client, result: Failed, end_ns: int) -> None:
        """End an attempt that the server has refused, with a ROLLBACK where its transaction is still open."""
        client.failure = self._classify(client, result)
        rollback = self._operations[client.operation].rollback
        link = client.connection.pgconn if client.connection is not None else None
        if rollback is not None and link is not None and link.transaction_status in _IN_TRANSACTION:
            self._send_rollback(client, rollback)
        else:
            self._settle(client, end_ns)

    def _send_rollback(self, client: Client, rollback: Statement) -> None:
        client.send(rollback.name, None, None)

    def _rolled_back(self, client: Client, end_ns: int) -> None:
        """Settle a failed attempt when its ROLLBACK has been answered.

        Raises ``psycopg.OperationalError`` when the transaction is open all the same: nothing more can be sent there.
        """
        link = client.connection.pgconn if client.connection is not None else None
        if link is not None and link.transaction_status in _IN_TRANSACTION:
            raise psycopg.OperationalError("a transaction could not be rolled back")
        self._settle(client, end_ns)

    def _settle(self, client: Client, end_ns: int) -> None:
        """Try the operation again, from its first statement with the same parameters, or record its failure."""
        assert client.failure is not None, "only failed attempts are settled"
        (outcome, error), client.failure, client.rows_before = client.failure, None, 0
        if self._may_retry(client, Outcome(outcome), end_ns):
            client.retries += 1
            self._send_statement(client, 0)
            return
        self._record(client, end_ns, error, outcome)
        self._go_on(client, end_ns)

    def _may_retry(self, client: Client, outcome: Outcome, now_ns: int) -> bool:
        """Say whether one more attempt is allowed, and count it; none begins when the load is over."""
        most = self._operations[client.operation].retry.get(outcome, 0)
        if client.retries == 0:
            client.retried.clear()
        if client.retried[outcome] >= most or client.retries >= RETRIES_MOST:
            return False
        if now_ns >= self.stop_ns or client.connection is None or client.connection.pgconn.status == ConnStatus.BAD:
            return False
        client.retried[outcome] += 1
        return True

    def _classify(self, client: Client, result: Failed) -> tuple[int, int]:
        """Return outcome and error number of a failed result; a connection it has broken is not sent to again."""
        if client.connection is None or client.connection.pgconn.status == ConnStatus.BAD:
            client.until_ns = 0
        code = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message or b""
        outcome = classify(code)
        return int(outcome), self._errors.number(outcome, code, text.decode(errors="replace").strip())

    def _watch_writable(self, client: Client) -> None:
        """Watch for room in the socket as long as libpq holds back a part of the query; reading flushes it."""
        waiting = select.EPOLLOUT if client.flush() else 0
        self._epoll.modify(client.fd, select.EPOLLIN | waiting)

    def _record(self, client: Client, end_ns: int, error: int = 0, outcome: int = 0) -> None:
        """Write the record of the client's operation, which has ended, and leave nothing of it with the client."""
        start, lag, rows = client.start_ns, client.lag_before_ns, client.rows_before
        numbers = client.operation, client.index, error, outcome, client.retries
        RECORD.pack_into(self._buffer, self._offset, self._intended_ns(client), start, end_ns, lag, rows, *numbers)
        client.rows_before = client.lag_before_ns = client.retries = 0
        self._offset += RECORD.size
        if self._offset == len(self._buffer):
            self._hand_over(end_ns)

    def _intended_ns(self, client: Client) -> int:
        """Return when the client's operation was due: in a closed loop when it was sent."""
        return client.start_ns

    def _hand_over(self, now_ns: int) -> None:
        """Give the recorder what has been recorded so far."""
        if self._offset:
            self._buffer, self._offset = self._sink.swap(self._buffer, self._offset), 0
        self._recorded_until_ns = now_ns
