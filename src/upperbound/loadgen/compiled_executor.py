"""The closed loop with its innermost part compiled; everything but the normal course of a query is still Python's."""

import ctypes
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import psycopg

from upperbound.loadgen.client import IDLE, Client
from upperbound.loadgen.compiled_library import (
    ASIDE,
    BELL,
    BROKEN,
    FAILED,
    OPERATIONS,
    REST,
    ROWS,
    TURN_OVER,
    WATCH,
    ClientFields,
    CompiledLoop,
    LoopFields,
    OperationFields,
    RowsFields,
    StatementFields,
)
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.loadgen.opening import Connect
from upperbound.loadgen.operations import Operation, Statement
from upperbound.loadgen.sender import Failed, RecordSink
from upperbound.querylog.records import RECORD
from upperbound.workload.packing import NULL, Packed, pack_encoded
from upperbound.workload.streams import Row, ThreadStream

OPERATIONS_AHEAD = 1_024
"""Operations a client is told at once."""
ROWS_AHEAD, BYTES_AHEAD = 128, 65_536
"""Rows of parameters that are drawn one by one: how many a client has ready, and the bytes they should stay within."""
DESCRIPTORS = 1_024
"""Room for so many file descriptors to begin with."""


class CompiledExecutor(EventLoopExecutor):
    """Does what :class:`EventLoopExecutor` does, with a third of its own processor time per query.

    The compiled part holds no interpreter lock, so that the other threads of the worker neither wait for it nor hold it
    up. It comes back whenever there is something to decide: parameters to draw, a failure, a rest, a command.
    """

    def __init__(
        self,
        *,
        compiled: CompiledLoop,
        operations: Sequence[Operation],
        stream: Callable[[int], ThreadStream],
        connect: Connect,
        sink: RecordSink,
        errors: ErrorTable,
        buffer_bytes: int,
        think_ns: int = 0,
        seed: int = 0,
    ) -> None:
        """Prepare to send with ``compiled``; the rest is as for :class:`EventLoopExecutor`."""
        self._compiled = compiled
        self._fields = _Operations(operations)
        self._memory = ctypes.create_string_buffer(compiled.loop_bytes)
        self._loop = LoopFields.from_buffer(self._memory)
        self._loop.libpq = (ctypes.c_void_p * len(compiled.libpq))(*compiled.libpq)
        self._loop.operations = ctypes.addressof(self._fields.array)
        self._table = _table(DESCRIPTORS)
        self._show_table()
        super().__init__(
            operations=operations,
            stream=stream,
            connect=connect,
            sink=sink,
            errors=errors,
            buffer_bytes=buffer_bytes,
            think_ns=think_ns,
            seed=seed,
        )
        self._loop.epoll, self._loop.bell = self._epoll.fileno(), self._bell.number
        self._by_address: dict[int, CompiledClient] = {}
        self._interrupted = False

    # The loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve the clients; see :meth:`EventLoopExecutor.run`."""
        self._loop.previous_ns = time.perf_counter_ns()
        super().run()

    def _spin(self, turn_end: int, timeout: float) -> int:
        """Let the compiled part work until ``turn_end``, and see to what it comes back with."""
        del timeout
        loop = self._loop
        waited_before: int = loop.waited_ns
        self._interrupted = False
        reason = IDLE
        while reason != TURN_OVER and not self._interrupted:
            reason = self._call(lambda: self._compiled.spin(ctypes.addressof(loop), turn_end))
            if reason == BELL:
                self._bell.clear()
                self._interrupted = True
            elif reason > BELL:
                self._see_to(self._by_address[loop.client], reason)
        return int(loop.waited_ns - waited_before)

    def _call(self, function: Callable[[], int]) -> int:
        """Call the compiled part with the buffer of records as it is, and take over what it has filled of it."""
        loop = self._loop
        memory = ctypes.c_char.from_buffer(self._buffer)
        loop.buffer, loop.used = ctypes.addressof(memory), self._offset // RECORD.size
        loop.capacity = len(self._buffer) // RECORD.size
        reason = int(function())
        self._offset = loop.used * RECORD.size
        del memory
        if self._offset == len(self._buffer):
            self._buffer, self._offset = self._sink.swap(self._buffer, self._offset), 0
        return reason

    def _see_to(self, client: "CompiledClient", reason: int) -> None:
        """Do what the compiled part leaves to Python."""
        fields = client.fields
        if reason in (FAILED, ASIDE):
            self._take_aside(client, reason)
        elif reason == REST:
            self._rest(client, fields.end_ns)
            self._interrupted = bool(self._timers)
        elif fields.operation == IDLE and reason in (ROWS, OPERATIONS):
            client.fill(reason)
            self._go_on(client, fields.end_ns)
        else:
            self._handle_sent(client, reason)

    def _go_on(self, client: Client, end_ns: int) -> None:
        super()._go_on(client, max(end_ns, time.perf_counter_ns()))
        self._interrupted = self._interrupted or bool(self._timers)

    def _take_aside(self, client: "CompiledClient", reason: int) -> None:
        """Decide what follows a failed statement, or the end of its transaction."""
        fields = client.fields
        try:
            if reason == ASIDE:
                fields.aside = 0
                client.clear_result()
                self._rolled_back(client, fields.end_ns)
            else:
                self._fail(client, FailedResult(self._compiled, fields.result), fields.end_ns)
        except psycopg.OperationalError as error:
            self._lost(client, str(error), time.perf_counter_ns())
            self._interrupted = True

    def _classify(self, client: Client, result: Failed) -> tuple[int, int]:
        assert isinstance(client, CompiledClient)
        found = super()._classify(client, result)
        client.clear_result()
        return found

    def _send_rollback(self, client: Client, rollback: Statement) -> None:
        assert isinstance(client, CompiledClient)
        client.fields.aside = 1
        super()._send_rollback(client, rollback)

    def _send_statement(self, client: Client, number: int) -> None:
        assert isinstance(client, CompiledClient)
        client.statement = number
        reason = self._compiled.send_statement(ctypes.addressof(self._loop), ctypes.addressof(client.fields))
        self._handle_sent(client, reason)

    def _send_next(self, client: Client) -> None:
        """Send the client's next query, if it may still send."""
        assert isinstance(client, CompiledClient)
        if client.connection is None or client.operation != IDLE:
            return
        address, loop = ctypes.addressof(client.fields), ctypes.addressof(self._loop)
        while (reason := self._compiled.send(loop, address)) in (ROWS, OPERATIONS):
            client.fill(reason)
        self._handle_sent(client, reason)

    def _handle_sent(self, client: "CompiledClient", reason: int) -> None:
        """See to a query that has not gone out as a whole."""
        try:
            if reason == WATCH:
                self._watch_writable(client)
            elif reason == BROKEN:
                self._break(client)
        except psycopg.OperationalError as error:
            self._lost(client, str(error), time.perf_counter_ns())
            self._interrupted = True

    def _break(self, client: "CompiledClient") -> None:
        why = client.connection.pgconn.get_error_message() if client.connection is not None else ""
        self._lost(client, why, time.perf_counter_ns())
        self._interrupted = True

    # Clients and their descriptors --------------------------------------------------------------------------------

    def _make_client(self, index: int) -> Client:
        client = CompiledClient(index, self._stream(index), self._compiled, self._fields)
        self._by_address[ctypes.addressof(client.fields)] = client
        return client

    def _register(self, client: Client) -> None:
        super()._register(client)
        if isinstance(client, CompiledClient):
            if client.fd >= len(self._table):
                larger = _table(2 * client.fd)
                larger[: len(self._table)] = self._table
                self._table = larger
                self._show_table()
            self._table[client.fd] = ctypes.addressof(client.fields)

    def _unregister(self, client: Client) -> None:
        if 0 <= client.fd < len(self._table):
            self._table[client.fd] = 0
        super()._unregister(client)

    def _show_table(self) -> None:
        self._loop.clients, self._loop.descriptors = self._table.ctypes.data, len(self._table)


class CompiledClient(Client):
    """A client whose state the compiled part works on."""

    __slots__ = ("_compiled", "_kept", "_operations_kept", "_packed", "_rows", "_rows_ahead", "_rows_most", "fields")

    def __init__(self, index: int, stream: ThreadStream, compiled: CompiledLoop, table: "_Operations") -> None:
        """Make client ``index`` for the operations of ``table``."""
        self._compiled = compiled
        operations = len(table.array)
        self._packed = stream.packed
        self._rows = (RowsFields * operations)()
        self._rows_ahead = [1] * operations
        self._rows_most = [ROWS_AHEAD if ahead else 1 for ahead in table.drawn_ahead]
        self._kept: list[object] = [None] * operations
        """By operation: what its rows point to."""
        self.fields = ClientFields(rows=ctypes.addressof(self._rows), index=index, chosen=IDLE, operation=IDLE)
        super().__init__(index, stream)

    @property
    def operation(self) -> int:
        """The operation in flight."""
        return int(self.fields.operation)

    @operation.setter
    def operation(self, operation: int) -> None:
        self.fields.operation = operation

    @property
    def statement(self) -> int:
        """The statement of the operation that was sent last."""
        return int(self.fields.statement)

    @statement.setter
    def statement(self, statement: int) -> None:
        self.fields.statement = statement

    @property
    def rows_before(self) -> int:
        """Rows returned or affected by the statements of this attempt that have been answered."""
        return int(self.fields.rows_before)

    @rows_before.setter
    def rows_before(self, rows: int) -> None:
        self.fields.rows_before = rows

    @property
    def lag_before_ns(self) -> int:
        """How long their answers waited for the generator."""
        return int(self.fields.lag_before_ns)

    @lag_before_ns.setter
    def lag_before_ns(self, lag_ns: int) -> None:
        self.fields.lag_before_ns = lag_ns

    @property
    def retries(self) -> int:
        """Attempts of the operation before this one."""
        return int(self.fields.retries)

    @retries.setter
    def retries(self, retries: int) -> None:
        self.fields.retries = retries

    @property
    def start_ns(self) -> int:
        """When it was sent."""
        return int(self.fields.start_ns)

    @start_ns.setter
    def start_ns(self, start_ns: int) -> None:
        self.fields.start_ns = start_ns

    @property
    def sent_ns(self) -> int:
        """When a statement after the first was sent; what is before ``start_ns`` is of another operation."""
        return int(self.fields.sent_ns)

    @sent_ns.setter
    def sent_ns(self, sent_ns: int) -> None:
        self.fields.sent_ns = sent_ns

    @property
    def until_ns(self) -> int:
        """No query is sent by the loop itself at or after this time."""
        return int(self.fields.until_ns)

    @until_ns.setter
    def until_ns(self, until_ns: int) -> None:
        self.fields.until_ns = until_ns

    def attach(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """Take over an open, prepared connection and switch it to non-blocking mode."""
        super().attach(connection)
        self.fields.connection = connection.pgconn.pgconn_ptr  # type: ignore[attr-defined]  # not in the protocol

    def detach(self) -> None:
        """Close the connection, if there is one; never raises."""
        self.clear_result()
        self.fields.connection, self.fields.aside = None, 0
        super().detach()

    def clear_result(self) -> None:
        """Give back what has come of a query's result."""
        if self.fields.result:
            self._compiled.clear(self.fields.result)
            self.fields.result = None

    def fill(self, reason: int) -> None:
        """Draw what the compiled part has asked for: the next operations, or rows for the one that is chosen."""
        if reason == ROWS:
            self._fill_rows(self.fields.chosen)
            return
        operations = np.fromiter(islice(self.operations, OPERATIONS_AHEAD), np.int32, OPERATIONS_AHEAD)
        self._operations_kept = operations
        self.fields.operations = operations.ctypes.data
        self.fields.next_operation, self.fields.operation_count = 0, len(operations)

    def _fill_rows(self, operation: int) -> None:
        """Draw the next rows of parameters for an operation."""
        chunks = self._packed[operation] if self._packed else None
        columns = next(chunks) if chunks is not None else self._pack_rows(operation)
        count = len(columns[0].starts)
        values, lengths = np.empty((count, len(columns)), np.uintp), np.empty((count, len(columns)), np.int32)
        for place, column in enumerate(columns):
            np.add(column.starts, column.memory.ctypes.data, out=values[:, place], casting="unsafe")
            lengths[:, place] = column.lengths
            if (null := column.starts == NULL).any():
                values[null, place] = 0
        rows = self._rows[operation]
        rows.values, rows.lengths = values.ctypes.data, lengths.ctypes.data
        rows.next, rows.count = 0, count
        self._kept[operation] = (columns, values, lengths)

    def _pack_rows(self, operation: int) -> tuple[Packed, ...]:
        """Draw rows one by one; the first tell how large they are, as a value may be of many megabytes."""
        ahead = self._rows_ahead[operation]
        rows: list[Row] = [row for row in islice(self.rows[operation], ahead) if row is not None]
        columns = tuple(pack_encoded(column) for column in zip(*rows, strict=True))
        fitting = BYTES_AHEAD * ahead // sum(column.memory.size for column in columns)
        self._rows_ahead[operation] = max(1, min(self._rows_most[operation], fitting))
        return columns


class FailedResult:
    """A failed result of the compiled part's, as far as failures are looked at."""

    def __init__(self, compiled: CompiledLoop, address: int) -> None:
        """Read from ``address``."""
        self._compiled, self._address = compiled, address

    def error_field(self, fieldcode: int) -> bytes | None:
        """Return a field of the error."""
        return self._compiled.error_field(self._address, fieldcode)

    @property
    def error_message(self) -> bytes:
        """The error as libpq words it."""
        return self._compiled.error_message(self._address)


class _Operations:
    """The operations as the compiled part reads them, with the memory that they point to."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.drawn_ahead = [operation.drawn_ahead for operation in operations]
        self._formats: list[object] = []
        self._statements = [self._fields_of(operation) for operation in operations]
        self.array = (OperationFields * len(operations))(
            *(
                OperationFields(ctypes.addressof(statements), len(statements), operation.row_length)
                for operation, statements in zip(operations, self._statements, strict=True)
            )
        )

    def _fields_of(self, operation: Operation) -> "ctypes.Array[StatementFields]":
        fields = []
        for statement in operation.statements:
            formats = np.array(statement.param_formats or [0], np.int32)
            self._formats.append(formats)
            count = len(statement.param_formats or ())
            first, may_block = statement.first_param, statement.may_block
            fields.append(StatementFields(statement.name, formats.ctypes.data, count, first, may_block))
        return (StatementFields * len(fields))(*fields)


def _table(size: int) -> "np.ndarray[Any, np.dtype[np.uintp]]":
    """Return room for the addresses of clients by file descriptor."""
    return np.zeros(size, np.uintp)
