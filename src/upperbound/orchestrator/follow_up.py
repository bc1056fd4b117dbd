"""What follows the load of a run: its queries go into the store's tables, and the server is asked for its own view.

Both may take minutes, and the orchestrator's loop must go on meanwhile, or it would lose its lease: hence the thread.
Everything here may be begun again by whoever takes the run over, or by hand when the run has ended.
"""

import contextvars
import logging
import random
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from upperbound.clock import Clock
from upperbound.domain.backoff import Backoff
from upperbound.domain.enrichment_status import EnrichmentStatus, differences, follow_up_status
from upperbound.errors import ConfigurationError, QueryLogError, StoreError, StoreUnreachable
from upperbound.querylog.loading import load_worker_log, recorded
from upperbound.querylog.parquet import log_files, parquet_rows
from upperbound.store.engine import Store
from upperbound.store.results import FollowUpResult

log = logging.getLogger(__name__)

LOADS_AT_ONCE: Final = 4
"""Workers whose logs are loaded at the same time."""
WRITE_PATIENCE_S: Final = 60.0
"""How long the end of the work waits for a store that is away."""
LEAVE_S: Final = 10.0
"""How long a controller that lets a run go waits for this work to notice."""
NOT_ASKED: Final = "this version does not read the statistics of such a server"
NOT_STARTED: Final = "the run has never sent anything"
NOT_WAITED_FOR: Final = "the run was ended before its server was asked; `upperbound runs retry-enrichment` asks it"


@dataclass(frozen=True)
class Enriched:
    """What the server has told of a run."""

    status: EnrichmentStatus
    reason: str | None
    """Why there is no more; None when there is everything."""
    view: dict[str, Any] | None = None
    """For ``TEST_RESULTS.SERVER_VIEW``."""
    files: tuple[Path, ...] = ()
    """The server's rows, for ``SERVER_EXECUTIONS``."""


class Enrichment(Protocol):
    """Asks the server of a run for its own view."""

    def run(self, over: threading.Event) -> Enriched:
        """Return what could be learnt, at the latest some seconds after ``over`` is set; never raises."""
        ...


class FollowUp:
    """The work after the load of one run."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        run_id: str,
        run_folder: Path,
        enrichment: Callable[[], Enrichment | None] | None,
        *,
        holder: str | None = None,
        why_skipped: str = NOT_ASKED,
    ) -> None:
        """Prepare it; ``enrichment`` is called for what asks the server, and None means that it is not asked.

        It may return None when there is nothing to ask, and raise :class:`ConfigurationError`.

        ``holder`` is whose lease the run must be for results to be written; None writes them without a lease.
        ``why_skipped`` is the reason that is given when the server is not asked.
        """
        self._store, self._clock, self._run_id, self._run_folder = store, clock, run_id, run_folder
        self._enrichment, self._holder, self._why_skipped = enrichment, holder, why_skipped
        self._no_time, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.is_done = not self.is_needed
        """Whether everything is written, or has been given up."""

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return self._store.query_log.keeps_rows or self._enrichment is not None

    @property
    def first_status(self) -> tuple[EnrichmentStatus, str | None]:
        """What is to be written of it before it begins."""
        return (EnrichmentStatus.PENDING, None) if self.is_needed else (EnrichmentStatus.SKIPPED, self._why_skipped)

    def begin(
        self, worker_rows: Mapping[str, int], query_log: Mapping[str, Any], on_end: Callable[[], None] = lambda: None
    ) -> None:
        """Start the work in a thread, unless there is none; ``on_end`` is called when it is done.

        ``worker_rows`` says how many queries each worker has recorded, ``query_log`` is what is known of the log so
        far.
        """
        if not self.is_needed:
            return
        if self._thread is not None:
            # A worker that had been given up has come back: what it left is to be loaded as well.
            self.leave()
            self._no_time, self._over = threading.Event(), threading.Event()
        self.is_done = False

        def work() -> None:
            try:
                self.work(worker_rows, query_log)
            except Exception:
                log.exception("what follows the load met a defect")
            finally:
                self.is_done = True
                on_end()

        # So that what the thread says is in the log of this run.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(work,), name=f"follow-up {self._run_id}", daemon=True)
        self._thread.start()

    def hurry(self) -> None:
        """Ask the server no longer; logs are still loaded."""
        self._no_time.set()

    def cut_short(self) -> None:
        """Give up whatever would take longer than a moment; logs that are not loaded stay in their files."""
        self._no_time.set()
        self._over.set()

    def leave(self) -> None:
        """Give up, and wait until that is done; nothing is written when the run is another's by then."""
        self.cut_short()
        if self._thread is not None:
            self._thread.join(LEAVE_S)

    def work(self, worker_rows: Mapping[str, int], query_log: Mapping[str, Any]) -> None:
        """Do everything in this thread, and write what came of it."""
        known = dict(query_log)
        problems = self._load_logs(list(worker_rows))
        problems += self._count(worker_rows, known)
        if problems:
            known["problem"] = "; ".join(filter(None, (known.get("problem"), *problems)))
        enriched = self._ask_server()
        if problem := self._load_server_rows(enriched):
            problems.append(problem)
        status, reason = follow_up_status(enriched.status, enriched.reason, problems)
        self._write(FollowUpResult(known, status.value, reason, enriched.view))
        log.info("what follows the load is done: %s%s", status.value, f": {reason}" if reason else "")

    def _load_logs(self, worker_ids: Sequence[str]) -> list[str]:
        """Load what workers have left; returns what went wrong."""
        if not self._store.query_log.keeps_rows or not worker_ids:
            return []

        def one(worker_id: str) -> str:
            return load_worker_log(self._store, self._run_folder, self._run_id, worker_id, self._over)

        with ThreadPoolExecutor(min(LOADS_AT_ONCE, len(worker_ids)), thread_name_prefix="load-log") as pool:
            # Each in a context of its own, for the log of the run: one cannot be entered twice at once.
            futures = [pool.submit(contextvars.copy_context().run, one, worker_id) for worker_id in worker_ids]
            return [problem for future in futures if (problem := future.result())]

    def _count(self, worker_rows: Mapping[str, int], known: dict[str, Any]) -> list[str]:
        """Add to what is known of the log how much of it the store has; returns what is not as it should be."""
        if not self._store.query_log.keeps_rows:
            return []
        try:
            counts = self._store.query_log.counts(self._run_id)
            known["files"] = len(log_files(self._run_folder))
        except (StoreError, QueryLogError) as error:
            log.warning("the queries of the run could not be counted: %s", error)
            return [f"the queries in the store could not be counted: {error}"]
        known["loaded_rows"] = sum(counts.values())
        return differences(dict(worker_rows), counts)

    def _ask_server(self) -> Enriched:
        if self._enrichment is None:
            return Enriched(EnrichmentStatus.SKIPPED, self._why_skipped)
        if self._no_time.is_set():
            return Enriched(EnrichmentStatus.SKIPPED, NOT_WAITED_FOR)
        try:
            enrichment = self._enrichment()
        except (ConfigurationError, StoreError) as error:
            return Enriched(EnrichmentStatus.FAILED, f"the server cannot be asked: {error}")
        if enrichment is None:
            return Enriched(EnrichmentStatus.SKIPPED, NOT_STARTED)
        return enrichment.run(self._no_time)

    def _load_server_rows(self, enriched: Enriched) -> str:
        """Load what the server told; returns what went wrong."""
        if not enriched.files or not self._store.query_log.keeps_rows:
            return ""
        scratch = self._run_folder / "staging" / "server"
        try:
            rows = parquet_rows(enriched.files)
            self._store.query_log.load_server(self._run_id, enriched.files, rows, scratch)
        except (StoreError, QueryLogError) as error:
            log.warning("what the server told could not be loaded: %s", error)
            return f"the server's rows are not in the store: {error}"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return ""

    def _write(self, result: FollowUpResult) -> None:
        """Write the end, also when the store is away for a while."""
        backoff = Backoff(1.0, 5.0, random.random)
        deadline_ns = self._clock.monotonic_ns() + int(WRITE_PATIENCE_S * 1e9)
        while True:
            try:
                self._store.results.finish_follow_up(self._run_id, result, holder=self._holder)
            except StoreUnreachable as error:
                if self._over.is_set() or self._clock.monotonic_ns() >= deadline_ns:
                    log.warning("how the work after the load ended could not be written: %s", error)
                    return
                self._over.wait(backoff.next_s())
            else:
                return


def worker_rows(run_folder: Path, worker_id: str, said: Mapping[str, Any] | None) -> int:
    """Return how many queries a worker recorded: by its files here, or by what it said of those elsewhere.

    Raises:
        QueryLogError: its files cannot be read.
    """
    return max(recorded(run_folder, worker_id).rows, int((said or {}).get("rows") or 0))
