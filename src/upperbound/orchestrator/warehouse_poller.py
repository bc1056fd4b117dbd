"""What the warehouse under test does while a run goes on, looked at every few seconds and kept in the store."""

import contextvars
import logging
import threading
import uuid
from types import TracebackType
from typing import Final, Protocol, Self

from upperbound.clock import Clock
from upperbound.domain.run_state import TERMINAL
from upperbound.errors import StoreError, UpperboundError
from upperbound.store.engine import Store
from upperbound.store.warehouse_polls import WarehousePoll
from upperbound.targets.snowflake import WarehouseLoad

log = logging.getLogger(__name__)

POLL_S: Final = 5.0
"""Between two looks."""
START_LOOK_S: Final = 0.5
"""Between two times to see whether the run's clock has started."""
END_WAIT_S: Final = 5.0
"""How long the end of a run waits for a look that goes on; after that it is left to itself."""


class WarehouseWatch(Protocol):
    """A connection of its own to look at one warehouse with; for one thread."""

    def look(self) -> WarehouseLoad | None:
        """Return what the warehouse does now; None when the session has no warehouse. Raises :class:`TargetError`."""
        ...

    def close(self) -> None:
        """Close the connection, if there is one; never raises."""
        ...


class WarehousePoller:
    """Polls for as long as it is entered, in a thread of its own.

    A look that fails costs one point of a chart and never the run: the log tells of the first of a row of failures, and
    of the end of the row.
    """

    def __init__(
        self, store: Store, clock: Clock, run_id: str, watch: WarehouseWatch, *, poll_s: float = POLL_S
    ) -> None:
        self._store, self._clock, self._run_id = store, clock, run_id
        self._watch, self._poll_s = watch, poll_s
        self._over = threading.Event()
        self._failing = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        # In the context of whoever looks after the run, so that what is said here is in its log.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name=f"warehouse {self._run_id}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(END_WAIT_S)

    def _run(self) -> None:
        try:
            while True:
                began_ns = self._clock.monotonic_ns()
                wait_s = self._poll_s if self._try_to_poll() else min(START_LOOK_S, self._poll_s)
                took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
                if self._over.wait(max(0.0, wait_s - took_s)):
                    return
        finally:
            self._watch.close()

    def _poll(self) -> bool:
        """Look once and keep what was seen; False before the run's clock has started, when there is nothing to see."""
        run = self._store.runs.get(self._run_id)
        if run.elapsed_s is None:
            return False
        load = self._watch.look() if run.status not in TERMINAL else None
        if load is None:
            return True
        self._store.warehouse_polls.write(
            WarehousePoll(
                poll_id=uuid.uuid4().hex,
                run_id=self._run_id,
                elapsed_s=run.elapsed_s,
                warehouse=load.name,
                state=load.state,
                size=load.size,
                min_clusters=load.min_clusters,
                max_clusters=load.max_clusters,
                started_clusters=load.started_clusters,
                running=load.running,
                queued=load.queued,
                scaling_policy=load.scaling_policy,
            )
        )
        return True

    def _try_to_poll(self) -> bool:
        """Poll, and say whether the next look has the usual time."""
        try:
            looked = self._poll()
        except UpperboundError as error:
            if not self._failing:
                what = "the store" if isinstance(error, StoreError) else "the warehouse"
                log.warning("the warehouse is not followed, as %s cannot be asked: %s", what, error)
            self._failing = True
        except Exception:
            if not self._failing:
                log.exception("following the warehouse met a defect")
            self._failing = True
        else:
            if self._failing:
                log.info("the warehouse is followed again")
            self._failing = False
            return looked
        return True
