"""An executor in a thread of its own, with a sink that keeps every record."""

import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from upperbound.errors import TargetError
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.querylog.records import RECORD_DTYPE
from upperbound.testing.waiting import DEADLINE_S


@dataclass
class Sink:
    """Keeps every record."""

    parts: list[bytes] = field(default_factory=list)

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        self.parts.append(bytes(buffer[:used_bytes]))
        return bytearray(len(buffer))

    @property
    def records(self) -> NDArray[np.void]:
        return np.frombuffer(b"".join(self.parts), RECORD_DTYPE)


@dataclass
class Rig:
    """An executor with everything around it."""

    executor: EventLoopExecutor
    sink: Sink
    errors: ErrorTable
    thread: threading.Thread | None = None
    failure: BaseException | None = None

    def start(self, threads: int) -> None:
        self.executor.open(threads, lambda _: None)
        self.run()
        self.executor.begin()

    def run(self) -> None:
        """Let the loop run in a thread of its own; what it was told before is what it begins with."""
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.executor.run()
        except TargetError as error:
            self.failure = error

    def finish(self) -> NDArray[np.void]:
        self.executor.stop()
        assert self.thread is not None
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive(), "the loop does not drain"
        self.executor.close()
        return self.sink.records
