"""Matches what workers have recorded with what the server tells, and makes a document of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from upperbound.domain.enrichment import Coverage
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.domain.server_minutes import ServerMinute, merge_minutes
from upperbound.domain.server_view import (
    NO_CLUSTER,
    Calls,
    cache,
    clusters,
    error_counts,
    kind_times,
    overhead_series,
    queue,
)

VIEW_VERSION: Final = 1
MOST_GROUPS: Final = 500
"""Groups of the history by the minute that the document shows one by one: those with the most calls."""
_SERVER_NUMBERS: Final = ("elapsed_ms", "execution_ms", "overload_ms", "provisioning_ms", "repair_ms", "bytes_scanned")


def matched_calls(recorded: pa.Table, told: pa.Table, single: frozenset[str]) -> Calls:
    """Return recorded calls with what the server tells of each.

    ``recorded`` has the columns of :data:`~upperbound.store.query_log.CALL_COLUMNS`, ``told`` those of
    :data:`~upperbound.targets.sf_history.STATEMENTS`; ``single`` are the operations of one statement.
    """
    place = pc.index_in(recorded.column("server_query_id"), value_set=told.column("server_query_id"), skip_nulls=True)
    matched = _bool(pc.is_valid(place))
    of_calls = told.take(place.combine_chunks() if isinstance(place, pa.ChunkedArray) else place)
    succeeded = _bool(pc.equal(recorded.column("outcome"), Outcome.OK.label))
    started_us = _int(recorded.column("started_at").cast(pa.int64()))
    intended_us = _int(recorded.column("intended_at").cast(pa.int64()))
    numbers = {name: _int(of_calls.column(name)) for name in _SERVER_NUMBERS}
    return Calls(
        measured=_bool(pc.equal(recorded.column("phase"), Phase.MEASUREMENT.value)),
        kind=np.array(recorded.column("kind").to_pylist(), dtype=np.str_),
        succeeded=succeeded,
        reached=succeeded | _bool(pc.is_valid(recorded.column("server_query_id"))),
        matched=matched,
        comparable=_bool(pc.is_in(recorded.column("operation"), value_set=pa.array(sorted(single), pa.string())))
        & (_int(recorded.column("attempts")) == 1),
        started_s=(started_us - (intended_us.min() if len(intended_us) else 0)) / 1e6,
        service_ms=_int(recorded.column("service_us")) / 1e3,
        cluster=_int(of_calls.column("cluster_number"), NO_CLUSTER),
        on_warehouse=_bool(pc.is_valid(of_calls.column("warehouse_size"))),
        cache_pct=np.asarray(of_calls.column("cache_pct").fill_null(np.nan).to_numpy(), np.float64),
        **numbers,
    )


def workload(told: pa.Table, recorded: pa.Table) -> pa.Table:
    """Return the statements that are of the workload: those with its comment, and those that calls are known by."""
    known = pc.is_in(told.column("server_query_id"), value_set=recorded.column("server_query_id").combine_chunks())
    return told.filter(pc.or_(known, pc.is_valid(told.column("kind"))))


@dataclass(frozen=True)
class Reading:
    """How the history was read."""

    read_at: datetime
    since: datetime
    until: datetime
    attempts: int
    waited_s: float
    account_statements: int
    """Statements of the account that those of the run were picked from."""
    notes: tuple[str, ...] = ()


def server_view(
    calls: Calls, told: pa.Table, recorded: pa.Table, minutes: Sequence[ServerMinute] | None, reading: Reading
) -> dict[str, Any]:
    """Return the document for ``TEST_RESULTS.SERVER_VIEW``, as :mod:`upperbound.views.enrichment` reads it."""
    measured = calls.only(calls.measured)
    kinds = sorted(set(measured.kind.tolist()))
    of_kind = {kind: measured.only(measured.kind == kind) for kind in kinds}
    is_known = pc.is_in(told.column("server_query_id"), value_set=recorded.column("server_query_id").combine_chunks())
    codes = told.filter(pc.equal(told.column("phase"), Phase.MEASUREMENT.value)).column("error_code").drop_null()
    document: dict[str, Any] = plain(
        {
            "version": VIEW_VERSION,
            "reading": reading,
            "statements": told.num_rows,
            "unmatched_statements": told.num_rows - int(_bool(is_known).sum()),
            "coverage": {
                "all": calls.coverage,
                "warmup": calls.only(~calls.measured).coverage,
                "measurement": measured.coverage,
            },
            "measurement": kind_times(measured),
            "by_kind": {kind: kind_times(mine) for kind, mine in of_kind.items()},
            "queue": queue(measured),
            "clusters": clusters(measured),
            "cache": cache(measured),
            "errors": error_counts(codes.to_pylist()),
            "overhead_series": overhead_series(calls),
            "minutes": None if minutes is None else _minutes(minutes),
        }
    )
    return document


def _minutes(minutes: Sequence[ServerMinute]) -> dict[str, Any]:
    measured = [one for one in minutes if one.phase is Phase.MEASUREMENT]
    by_kind, by_start = defaultdict(list), defaultdict(list)
    for one in measured:
        by_kind[one.kind or ""].append(one)
    for one in minutes:
        by_start[one.start].append(one)
    largest = sorted(minutes, key=lambda one: (-one.calls, one.start))[:MOST_GROUPS]
    return {
        "calls": sum(one.calls for one in minutes),
        "measurement": merge_minutes(measured),
        "by_kind": {kind: merge_minutes(by_kind[kind]) for kind in sorted(by_kind)},
        "by_minute": [{"start": start, **vars(merge_minutes(by_start[start]))} for start in sorted(by_start)],
        "groups": sorted(largest, key=lambda one: (one.start, one.worker_id, one.kind or "")),
        "groups_left_out": len(minutes) - len(largest),
    }


def plain(value: Any) -> Any:
    """Return what JSON can hold of a value."""
    if isinstance(value, Coverage):
        return {"reached": value.reached, "matched": value.matched, "pct": value.pct}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return value


def _bool(column: Any) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(column, fill_value=False).to_numpy(zero_copy_only=False), np.bool_)


def _int(column: Any, missing: int = 0) -> NDArray[np.int64]:
    filled = pc.fill_null(column.cast(pa.int64()), missing)
    return np.asarray(filled.to_numpy(), np.int64)
