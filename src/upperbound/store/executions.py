"""Questions to the queries of one run in the store's tables, answered by SQL."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from upperbound.domain.executions import (
    Execution,
    ExecutionFilter,
    ExecutionOrder,
    ExecutionPage,
    LoggedMessage,
    SecondCount,
)
from upperbound.domain.outcomes import Outcome
from upperbound.store.database import Database
from upperbound.store.tables import query_executions, server_executions
from upperbound.store.types import seconds_between

_Q: Final = query_executions.c
_S: Final = server_executions.c
_ORDER: Final[Mapping[ExecutionOrder, "sa.Column[Any]"]] = {
    ExecutionOrder.STARTED: _Q.started_at,
    ExecutionOrder.INTENDED: _Q.intended_at,
    ExecutionOrder.ENDED: _Q.ended_at,
    ExecutionOrder.SERVICE: _Q.service_us,
    ExecutionOrder.RESPONSE: _Q.response_us,
    ExecutionOrder.ROWS: _Q["rows"],
    ExecutionOrder.KIND: _Q.kind,
    ExecutionOrder.OUTCOME: _Q.outcome,
    ExecutionOrder.WORKER: _Q.worker_id,
}
_OK: Final = Outcome.OK.label
_RECORDED: Final = (
    *(_Q[name] for name in ("execution_id", "worker_id", "thread", "kind", "operation", "phase")),
    *(_Q[name] for name in ("intended_at", "started_at", "ended_at", "response_us", "service_us", "outcome")),
    *(_Q[name] for name in ("error_code", "error", "rows", "attempts", "server_query_id")),
)
_SERVERS: Final = (
    _S.elapsed_ms.label("server_elapsed_ms"),
    _S.execution_ms.label("server_execution_ms"),
    _S.queued_ms.label("server_queued_ms"),
    _S.cluster_number,
)


class StoredQueries:
    """The queries of one run; a :class:`upperbound.domain.executions.QueryLogReader`."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database = database
        self._of_run = _Q.run_id == run_id
        self._zero = sa.select(sa.func.min(_Q.intended_at)).where(self._of_run).scalar_subquery()
        self._elapsed_s = seconds_between(_Q.started_at, self._zero)

    def executions(
        self, wanted: ExecutionFilter, *, order: ExecutionOrder, descending: bool, limit: int, offset: int
    ) -> ExecutionPage:
        """Return queries in an order; those that are equal in it, by when they started."""
        conditions = [self._of_run, *self._conditions(wanted)]
        counted = sa.select(sa.func.count()).select_from(query_executions).where(*conditions)
        same = sa.and_(_S.run_id == _Q.run_id, _S.server_query_id == _Q.server_query_id)
        both = query_executions.outerjoin(server_executions, same)
        ranks = (_ORDER[order], _Q.started_at, _Q.execution_id)
        page = (
            sa.select(*_RECORDED, *_SERVERS, self._elapsed_s.label("elapsed_s"))
            .select_from(both)
            .where(*conditions)
            .order_by(*(rank.desc() if descending else rank for rank in ranks))
        )
        with self._database.connection() as connection:
            total = int(connection.execute(counted).scalar_one())
            rows = connection.execute(page.limit(limit).offset(offset)).mappings().all()
        return ExecutionPage(tuple(_execution(row) for row in rows), total)

    def messages(self, limit: int) -> list[LoggedMessage]:
        """Return what failures said, the most frequent first."""
        since = seconds_between(_Q.ended_at, self._zero)
        columns = (_Q.outcome, _Q.error_code, _Q.error, _Q.kind, _Q.worker_id)
        counted = sa.select(
            *columns,
            sa.func.count().label("failures"),
            sa.func.min(since).label("first_s"),
            sa.func.max(since).label("last_s"),
        )
        groups = self._database.rows(counted.where(self._of_run, _Q.outcome != _OK).group_by(*columns))
        return _merged(groups)[:limit]

    def seconds(self) -> list[SecondCount]:
        """Return the measurement by kind and second, by when queries started."""
        measured = (self._of_run, _Q.warmup.is_(False))
        zero = sa.select(sa.func.min(_Q.intended_at)).where(*measured).scalar_subquery()
        second = sa.cast(sa.func.floor(seconds_between(_Q.started_at, zero)), sa.Integer).label("second")
        each = sa.select(_Q.kind, second, (_Q.outcome == _OK).label("succeeded")).where(*measured).subquery()
        well = sa.func.sum(sa.case((each.c.succeeded, 1), else_=0)).label("operations")
        badly = sa.func.sum(sa.case((each.c.succeeded, 0), else_=1)).label("failed")
        counted = sa.select(each.c.kind, each.c.second, well, badly).group_by(each.c.kind, each.c.second)
        rows = self._database.rows(counted.order_by(each.c.second, each.c.kind))
        return [
            SecondCount(row["kind"], *(int(row[name]) for name in ("second", "operations", "failed"))) for row in rows
        ]

    def _conditions(self, wanted: ExecutionFilter) -> list[sa.ColumnElement[bool]]:
        latency = _Q.response_us if wanted.by_response else _Q.service_us
        found: list[sa.ColumnElement[bool]] = []
        for column, words in (
            (_Q.kind, wanted.kinds),
            (_Q.operation, wanted.operations),
            (_Q.outcome, wanted.outcomes),
        ):
            if words:
                found.append(column.in_(words))
        if wanted.failed is not None:
            found.append(_Q.outcome != _OK if wanted.failed else _Q.outcome == _OK)
        if wanted.worker_id is not None:
            found.append(_Q.worker_id == wanted.worker_id)
        if wanted.phase is not None:
            found.append(_Q.phase == wanted.phase.value)
        if wanted.min_ms is not None:
            found.append(latency >= round(wanted.min_ms * 1000))
        if wanted.max_ms is not None:
            found.append(latency <= round(wanted.max_ms * 1000))
        if wanted.from_s is not None:
            found.append(self._elapsed_s >= wanted.from_s)
        if wanted.to_s is not None:
            found.append(self._elapsed_s < wanted.to_s)
        return found


def _execution(row: RowMapping) -> Execution:
    values = dict(row)
    values["response_ms"], values["service_ms"] = values.pop("response_us") / 1000, values.pop("service_us") / 1000
    return Execution(**values)


def _merged(groups: Sequence[RowMapping]) -> list[LoggedMessage]:
    """Return groups by kind and worker as one for each message, the most frequent first."""
    found: dict[tuple[str, str | None, str | None], list[RowMapping]] = {}
    for row in groups:
        found.setdefault((row["outcome"], row["error_code"], row["error"]), []).append(row)
    messages = [
        LoggedMessage(
            outcome=outcome,
            error_code=code,
            message=text,
            count=sum(int(row["failures"]) for row in rows),
            first_s=min(float(row["first_s"]) for row in rows),
            last_s=max(float(row["last_s"]) for row in rows),
            kinds=tuple(sorted({row["kind"] for row in rows})),
            workers=len({row["worker_id"] for row in rows}),
        )
        for (outcome, code, text), rows in found.items()
    ]
    return sorted(messages, key=lambda one: (-one.count, one.outcome, one.error_code or "", one.message or ""))
