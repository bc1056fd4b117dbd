"""The log of one run: what is said while it is looked after, in a file beside its results and in the store.

Several runs may be looked after in one process, each in a thread of its own. A line belongs to the run that its thread
has been given by :func:`run_log`, and to no other.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from upperbound.clock import Clock
from upperbound.domain.log_lines import LogSource
from upperbound.store.engine import Store
from upperbound.store.log_handler import stored_logs

FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
_present: ContextVar[str | None] = ContextVar("upperbound_run", default=None)


@contextmanager
def run_log(store: Store, clock: Clock, run_id: str, folder: Path, *, debug: bool = False) -> Iterator[None]:
    """Keep what this thread says in the body in the run's log, and off the display; with ``debug`` on stderr as well.

    A disk on which the file cannot be made keeps nobody from going on: the store has the lines too.
    """
    name = logging.getLogger("upperbound")
    name.setLevel(logging.INFO)
    # A disk that is full is the query log's to report, not a traceback's for every line of this one.
    logging.raiseExceptions = debug
    ours = _OfRun(run_id)
    token = _present.set(run_id)
    try:
        with ExitStack() as stack:
            for handler in _handlers(folder, debug=debug):
                handler.setFormatter(logging.Formatter(FORMAT))
                handler.addFilter(ours)
                name.addHandler(handler)
                stack.callback(handler.close)
                stack.callback(name.removeHandler, handler)
            source = LogSource.ORCHESTRATOR
            stack.enter_context(stored_logs(store.logs, clock, run_id=run_id, source=source, only=ours))
            yield
    finally:
        _present.reset(token)


def of_no_run(_record: logging.LogRecord) -> bool:
    """Say whether a line belongs to no run; a filter for the log of a process that looks after several."""
    return _present.get() is None


class _OfRun(logging.Filter):
    """Lets the lines of one run pass."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the thread decides, not the line
        return _present.get() == self._run_id


def _handlers(folder: Path, *, debug: bool) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    with contextlib.suppress(OSError):
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(folder / "logs" / "orchestrator.log", encoding="utf-8"))
    if debug:
        handlers.append(logging.StreamHandler(sys.stderr))
    return handlers
