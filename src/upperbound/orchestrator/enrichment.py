"""Asks Snowflake what it tells of a run, matches that with what the workers have recorded, and says what is missing."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from upperbound.clock import Clock
from upperbound.domain.enrichment import Attempted, judge, may_try_again, wait_s
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.server_minutes import ServerMinute
from upperbound.domain.server_view import Calls
from upperbound.errors import TargetError, TargetMismatch, TargetUnreachable, UpperboundError
from upperbound.orchestrator.follow_up import Enriched
from upperbound.orchestrator.server_figures import Reading, matched_calls, server_view, workload
from upperbound.querylog.server_log import SERVER_SCHEMA, write_server_log
from upperbound.targets.sf_history import KEPT, MONITOR_HINT, STATEMENTS, USAGE_HINT, StatementPage

log = logging.getLogger(__name__)

SLACK: Final = timedelta(minutes=2)
"""Read beyond both ends of a run, as its times are by another clock than the server's."""
NO_IDS: Final = "what the workers recorded has no ids of the server's statements, so nothing can be matched"
NO_CALLS: Final = "no call of the run was recorded, so there is nothing to ask the server about"


class HistoryReader(Protocol):
    """What reads the history of one run; see :class:`upperbound.targets.sf_history.SnowflakeHistory`."""

    def now(self) -> datetime:
        """Return the time by the server's clock."""
        ...

    def statements(self, start: datetime, end: datetime) -> Iterator[StatementPage]:
        """Return the run's statements that ended in a span of time."""
        ...

    def minutes(self, start: datetime, end: datetime) -> list[ServerMinute]:
        """Return what is told of them by the minute."""
        ...

    def close(self) -> None:
        """Give the session up; never raises."""
        ...


@dataclass(frozen=True)
class _Read:
    """One reading of the whole history."""

    rows: pa.Table
    account_statements: int = 0
    crowded: int = 0
    is_whole: bool = True


@dataclass
class _Asked:
    """What the attempts so far have brought."""

    best: _Read
    """The reading that has brought the most."""
    calls: Calls
    """What was recorded, matched with it."""
    matched: list[int] = field(default_factory=list)
    """How many calls each attempt has matched."""
    elapsed_s: float = 0.0
    problem: str | None = None
    """Why the last attempt has failed; None when it has not."""


class SnowflakeEnrichment:
    """See :class:`upperbound.orchestrator.follow_up.Enrichment`; may be run again from the start at any time."""

    def __init__(
        self,
        clock: Clock,
        run_id: str,
        *,
        history: HistoryReader,
        calls: Callable[[], pa.Table],
        run_folder: Path,
        start: datetime,
        end: datetime | None,
        single: frozenset[str],
        omits_short: bool,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        """Prepare to ask about the time from ``start`` to ``end`` of the run's load; up to now for None.

        ``calls`` returns what was recorded, with the columns of
        :data:`~upperbound.store.query_log.CALL_COLUMNS`; ``single`` are the operations of one statement. A server that
        ``omits_short`` statements from its history, as Snowflake does with those on hybrid tables, is asked for the one
        by the minute as well.
        """
        self._clock, self._run_id, self._history, self._calls = clock, run_id, history, calls
        self._run_folder, self._start, self._end = run_folder, start, end
        self._single, self._omits_short, self._wait = single, omits_short, wait

    def run(self, over: threading.Event) -> Enriched:
        """Ask until enough is known, nothing more can come, or ``over`` is set; never raises."""
        try:
            return self._enrich(over)
        except UpperboundError as error:
            log.warning("the server cannot be asked about the run: %s", error)
            return Enriched(EnrichmentStatus.FAILED, str(error))
        except Exception as error:
            log.exception("asking the server about the run met a defect")
            return Enriched(EnrichmentStatus.FAILED, f"asking the server met a defect: {type(error).__name__}: {error}")
        finally:
            self._history.close()

    def _enrich(self, over: threading.Event) -> Enriched:
        recorded = self._calls()
        if not recorded.num_rows:
            return Enriched(EnrichmentStatus.SKIPPED, NO_CALLS)
        if recorded.column("server_query_id").null_count == recorded.num_rows:
            return Enriched(EnrichmentStatus.SKIPPED, NO_IDS)
        now = self._history.now()
        if (self._end or now) + SLACK < now - KEPT:
            return Enriched(
                EnrichmentStatus.FAILED,
                f"the run ended at {self._end:%Y-%m-%d %H:%M} UTC, and Snowflake's history reaches back "
                f"{KEPT.days} days; SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY has it for a year",
            )
        asked = self._ask(recorded, over)
        minutes, minutes_problem = self._minutes(over)
        attempted = Attempted(
            coverage=asked.calls.coverage,
            minutes_calls=sum(minute.calls for minute in minutes) if minutes is not None else None,
            minutes_problem=minutes_problem,
            omits_short=self._omits_short,
            waited_s=asked.elapsed_s,
            interrupted=over.is_set() and not asked.calls.coverage.is_enough,
            problem=asked.problem,
            crowded=asked.best.crowded,
        )
        status, reason = judge(attempted)
        if status is EnrichmentStatus.FAILED:
            return Enriched(status, reason)
        since, until = self._span(now)
        reading = Reading(
            read_at=self._clock.utc_now(),
            since=since,
            until=until,
            attempts=len(asked.matched),
            waited_s=asked.elapsed_s,
            account_statements=asked.best.account_statements,
            notes=() if since <= self._start else ("the history reaches back 7 days, and not to the run's start",),
        )
        view = server_view(asked.calls, asked.best.rows, recorded, minutes, reading)
        return Enriched(status, reason, view, write_server_log(self._run_folder, self._rows(asked.best.rows)))

    def _ask(self, recorded: pa.Table, over: threading.Event) -> "_Asked":
        """Read the history until that is enough, or of no more use."""
        nothing = _Read(STATEMENTS.empty_table())
        asked = _Asked(nothing, matched_calls(recorded, nothing.rows, self._single))
        began_ns = self._clock.monotonic_ns()
        while True:
            refused = self._attempt(asked, recorded, over)
            coverage = asked.calls.coverage
            asked.matched.append(coverage.matched)
            asked.elapsed_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            log.info("the server tells of %d of %d calls so far", coverage.matched, coverage.reached)
            if refused or over.is_set():
                return asked
            if not may_try_again(asked.matched, coverage, asked.elapsed_s, omits_short=self._omits_short):
                return asked
            if self._wait(over, wait_s(len(asked.matched))):
                return asked

    def _attempt(self, asked: "_Asked", recorded: pa.Table, over: threading.Event) -> bool:
        """Read the history once, and say whether that was refused, as it will be again."""
        try:
            read = self._read(recorded, over)
        except TargetUnreachable as error:
            asked.problem = str(error)
            return False
        except TargetError as error:
            asked.problem = str(error)
            return True
        except TargetMismatch as error:
            asked.problem = f"{error}; {MONITOR_HINT}"
            return True
        asked.problem = None
        calls = matched_calls(recorded, read.rows, self._single)
        if read.is_whole or calls.coverage.matched > asked.calls.coverage.matched:
            asked.best, asked.calls = read, calls
        return False

    def _read(self, recorded: pa.Table, over: threading.Event) -> _Read:
        """Read the history page by page, and what of it is the workload's; less when ``over`` is set meanwhile."""
        tables, account_statements, crowded = [STATEMENTS.empty_table()], 0, 0
        for page in self._history.statements(*self._span(self._history.now())):
            tables.append(page.rows)
            account_statements += page.account_rows
            crowded += page.crowded_at is not None
            if over.is_set():
                break
        rows = workload(pa.concat_tables(tables), recorded)
        return _Read(rows, account_statements, crowded, not over.is_set())

    def _span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the time to read, by the server's clock: it reaches back some days, and not beyond now."""
        earliest = now - KEPT + timedelta(minutes=1)
        end = now if self._end is None else min(now, self._end + SLACK)
        return max(self._start - SLACK, earliest), end

    def _minutes(self, over: threading.Event) -> tuple[list[ServerMinute] | None, str | None]:
        """Return the history by the minute, or why there is none."""
        if not self._omits_short or over.is_set():
            return None, None
        try:
            return self._history.minutes(*self._span(self._history.now())), None
        except TargetError as error:
            return None, str(error)
        except TargetMismatch as error:
            return None, f"{error}; {USAGE_HINT}"

    def _rows(self, told: pa.Table) -> pa.Table:
        """Return the rows for ``SERVER_EXECUTIONS``."""
        waits = [told.column(name) for name in ("overload_ms", "provisioning_ms", "repair_ms")]
        rows = told.append_column("queued_ms", pc.add(pc.add(waits[0], waits[1]), waits[2]))
        rows = rows.append_column("run_id", pa.array([self._run_id] * told.num_rows, pa.string()))
        return rows.select(SERVER_SCHEMA.names).cast(SERVER_SCHEMA)
