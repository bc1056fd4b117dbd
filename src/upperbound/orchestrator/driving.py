"""From a prepared run to its end, for whoever looks after one: the command line for one run, a server for many."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from upperbound.domain.run_state import TERMINAL
from upperbound.errors import IllegalTransition, RunFailed, UpperboundError
from upperbound.orchestrator.pool_sampling import PoolWatcher
from upperbound.orchestrator.service import RunRequest
from upperbound.orchestrator.stopping import request_stop
from upperbound.store.engine import Store
from upperbound.store.runs import RunRow

OnTick = Callable[[RunRow], None]
"""Sees a run's row after each tick of its loop, the last one included."""


class RunControl(Protocol):
    """What is asked of the orchestrator, which is :class:`upperbound.orchestrator.service.Orchestrator`."""

    @property
    def warnings(self) -> dict[str, tuple[str, ...]]:
        """By run id: what the checks found that does not prevent the run."""
        ...

    def create_run(self, request: RunRequest, watcher: PoolWatcher | None = None) -> str:
        """Check and prepare a run; ``watcher`` is told of values that are sampled for it."""
        ...

    def start_run(self, run_id: str) -> None:
        """Launch its workers."""
        ...

    def adopt_run(self, run_id: str) -> None:
        """Take it over from a controller that is gone."""
        ...

    def drive(self, run_id: str, on_tick: OnTick | None = None) -> RunRow:
        """Bring it to its end."""
        ...

    def hurry(self, run_id: str) -> None:
        """Let the next tick come at once; from any thread."""
        ...

    def force_stop(self, run_id: str) -> None:
        """End it without its drain; from any thread, and without effect before it is started."""
        ...

    def run_folder(self, run_id: str) -> Path:
        """Return where its files are."""
        ...


def bring_to_end(
    store: Store, control: RunControl, run_id: str, *, begin: Callable[[str], None] | None, on_tick: OnTick, who: str
) -> None:
    """Return when the run, after ``begin`` if that is given, has ended, well or badly.

    ``who`` is named as the one who stopped it when this process cannot go on with it.

    Raises:
        UpperboundError: it did not end here; its workers have been told to.
    """
    try:
        if begin is not None:
            begin(run_id)
        control.drive(run_id, on_tick)
    except (RunFailed, IllegalTransition):
        # The run's row says how it ended: cancelled before its start, or without a worker that could be launched.
        if store.runs.get(run_id).status not in TERMINAL:
            raise
    except BaseException:
        with contextlib.suppress(UpperboundError):
            request_stop(store, run_id, who)
        raise
