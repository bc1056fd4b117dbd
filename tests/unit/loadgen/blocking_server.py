"""A server in memory whose driver blocks, and an executor that loads it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbound.clock import SystemClock
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.domain.sharding import Shard
from upperbound.domain.statement_ids import NO_STATEMENT_ID, STATEMENT_ID_BYTES
from upperbound.errors import TargetUnreachable
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.thread_executor import ThreadExecutor
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.targets.blocking import (
    BlockingConnection,
    BlockingOperation,
    BlockingStatement,
    StatementFailed,
)
from upperbound.workload.streams import OperationPlan, Workload

S = 1_000_000_000
NOW = SystemClock().monotonic_ns
ONE = BlockingOperation((BlockingStatement("one"),))


@dataclass
class Sink:
    """Keeps every record."""

    parts: list[bytes] = field(default_factory=list)
    statement_ids: list[bytes] = field(default_factory=list)
    """One for each record."""

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        self.parts.append(bytes(buffer[:used_bytes]))
        told = memoryview(statement_ids or b"")
        self.statement_ids += [
            bytes(told[at : at + STATEMENT_ID_BYTES]) for at in range(0, len(told), STATEMENT_ID_BYTES)
        ]
        return bytearray(len(buffer))

    @property
    def records(self) -> NDArray[np.void]:
        return np.frombuffer(b"".join(self.parts), RECORD_DTYPE)


@dataclass(frozen=True)
class Seen:
    """One statement as the server saw it."""

    text: str
    begin_ns: int
    phase: Phase
    connection: int
    statement_id: bytes
    """What it calls the statement."""


class Server:
    """Answers every statement after a while; what it shall do otherwise is set from outside."""

    def __init__(self, answer_s: float = 0.002) -> None:
        self.answer_s = answer_s
        self.seen: list[Seen] = []
        self.failures: list[StatementFailed | None] = []
        """What the next statements end with, one each; None for an answer."""
        self.refusals: list[Exception] = []
        """What the next attempts to connect end with, one each."""
        self.gone = threading.Event()
        """No connection can be opened."""
        self.held = threading.Event()
        """Statements wait until this is cleared, or until they are cancelled."""
        self.connect_s = 0.0
        self.connecting = self.most_connecting = self.connects = 0
        self.open: set[int] = set()
        self.cancelled: set[int] = set()
        self._lock = threading.Lock()

    def connect(self) -> "Session":
        with self._lock:
            self.connects += 1
            self.connecting += 1
            self.most_connecting = max(self.most_connecting, self.connecting)
            refusal = self.refusals.pop(0) if self.refusals else None
            number = self.connects
        if self.connect_s:
            threading.Event().wait(self.connect_s)
        with self._lock:
            self.connecting -= 1
            if refusal is None and not self.gone.is_set():
                self.open.add(number)
        if refusal is not None:
            raise refusal
        if self.gone.is_set():
            raise TargetUnreachable("the server is gone")
        return Session(self, number)

    def cancel(self, connections: Sequence[BlockingConnection]) -> int:
        numbers = [connection.number for connection in connections if isinstance(connection, Session)]
        self.cancelled |= set(numbers)
        return len(numbers)

    def answer(self, session: "Session", text: str) -> int:
        with self._lock:
            session.statement_id = (len(self.seen) + 1).to_bytes(STATEMENT_ID_BYTES)
            self.seen.append(Seen(text, NOW(), session.phase, session.number, session.statement_id))
            failure = self.failures.pop(0) if self.failures else None
        threading.Event().wait(self.answer_s)
        while self.held.is_set():
            if session.number in self.cancelled:
                raise StatementFailed(Outcome.STATEMENT_TIMEOUT, "000604", "cancelled")
            threading.Event().wait(0.002)
        if failure is not None:
            raise failure
        return 1


class Session:
    """One connection of the server's."""

    def __init__(self, server: Server, number: int) -> None:
        self._server, self.number, self.phase = server, number, Phase.WARMUP
        self.statement_id = self._counted_id = NO_STATEMENT_ID

    def execute(self, statement: BlockingStatement, row: Sequence[bytes | None]) -> int:
        try:
            rows = self._server.answer(self, statement.text)
        finally:
            if statement.counts:
                self._counted_id = self.statement_id
        return rows if statement.counts else 0

    def take_statement_id(self) -> bytes:
        taken, self._counted_id = self._counted_id, NO_STATEMENT_ID
        return taken

    def enter(self, phase: Phase) -> None:
        threading.Event().wait(self._server.answer_s)
        self.phase = phase

    def close(self) -> None:
        self._server.open.discard(self.number)


class Rig:
    """An executor over the server, with everything around it."""

    def __init__(
        self,
        server: Server,
        operation: BlockingOperation = ONE,
        make: Callable[..., ThreadExecutor] = ThreadExecutor,
        **more: Any,
    ) -> None:
        workload = Workload([OperationPlan(Decimal(100), ())], seed=1)
        self.server, self.sink, self.errors = server, Sink(), ErrorTable()
        self.executor = make(
            operations=[operation],
            stream=lambda thread: workload.stream(Shard(0, 1, thread, 64)),
            connect=server.connect,
            cancel=server.cancel,
            sink=self.sink,
            errors=self.errors,
            buffer_bytes=64 * RECORD.size,
            **more,
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.start_ns = 0

    @contextmanager
    def running(self, threads: int, *, warmup_s: float = 0.0) -> Iterator[None]:
        """Load the server until the block is left."""
        self.executor.open(threads, lambda _: None)
        self.start_ns = SystemClock().monotonic_ns()
        self.executor.plan(self.start_ns, self.start_ns + int(warmup_s * S))
        self.executor.begin()
        self._thread.start()
        try:
            yield
        finally:
            self.executor.stop()
            self._thread.join(20)
            assert not self._thread.is_alive(), "the executor does not end"
            self.executor.close()

    def _run(self) -> None:
        try:
            self.executor.run()
        except TargetUnreachable as error:
            self.failure = error

    @property
    def records(self) -> NDArray[np.void]:
        return self.sink.records
