"""What the server tells of statements and credits."""

from typing import Final

from upperbound.orchestrator.diagnosis.account.probe import Answer, Judgement, Probe, Seen, Skip, always, ok, warn
from upperbound.orchestrator.diagnosis.account.sessions import PHASE

READ: Final = (
    *("query_id", "query_text", "query_type", "query_tag", "warehouse_size", "cluster_number"),
    *("execution_status", "error_code", "start_time", "end_time", "total_elapsed_time", "compilation_time"),
    *("execution_time", "queued_provisioning_time", "queued_repair_time", "queued_overload_time"),
    *("transaction_blocked_time", "bytes_scanned", "rows_produced"),
)
"""Columns of QUERY_HISTORY that are read of a run's statements; see :mod:`upperbound.targets.sf_history`."""
AGGREGATED: Final = (
    *("interval_start_time", "query_text", "query_type", "query_tag", "calls", "errors"),
    *("total_elapsed_time", "execution_time", "queued_overload_time", "hybrid_table_requests_throttled_count"),
)
METERED: Final = (
    *("start_time", "end_time", "warehouse_name", "credits_used"),
    *("credits_used_compute", "credits_used_cloud_services"),
)
_UNDER_WAY: Final = ("RUNNING", "QUEUED", "BLOCKED", "RESUMING_WAREHOUSE")
_COLUMNS: Final = "tell us which columns there are"


def _history(seen: Seen) -> str | Skip:
    if seen.place("database_name") is None:
        return Skip("the session has no database, whose INFORMATION_SCHEMA has the history")
    # As end_statements asks it; the tag is of letters, digits, colons and hyphens.
    return (
        "SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000)) "  # noqa: S608
        f"WHERE STARTSWITH(QUERY_TAG, '{seen.tag}')"
    )


def _usage(view: str, time: str) -> str:
    return (
        f"SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.{view} "  # noqa: S608
        f"WHERE {time} >= DATEADD(DAY, -1, CURRENT_TIMESTAMP()) LIMIT 1"
    )


def judge_history(answer: Answer, seen: Seen) -> Judgement:
    """Say whether the history has the columns, and the statements of this very session by their tag."""
    if missing := answer.missing(READ):
        return warn(f"QUERY_HISTORY has no {', '.join(missing)}", _COLUMNS)
    ended = [row for row in answer.rows if row.get("execution_status") not in _UNDER_WAY]
    if not ended:
        return warn("it shows none of the statements of this session", "it may be late: look again in a minute")
    if not any(row.get("query_tag") == seen.tag + PHASE for row in ended):
        found = f"{len(ended)} statements by their tag, none of them by the tag that was set within the session"
        return warn(found, "it may be late: look again in a minute")
    return ok(f"{len(ended)} statements of this session by their tag, and every column that is read")


def judge_under_way(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether the history shows statements that are still executed: the one that asks is."""
    going = [row for row in answer.rows if row.get("execution_status") in _UNDER_WAY]
    if going:
        return ok("statements that are still executed are shown: those of a killed worker can be ended")
    found = "the statement that asked is not shown as being executed"
    return warn(found, "statements of a worker that was killed end by themselves only, within five minutes")


def judge_aggregates(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether there is the server's view of short statements on hybrid tables."""
    if missing := answer.missing(AGGREGATED):
        return warn(f"AGGREGATE_QUERY_HISTORY has no {', '.join(missing)}", _COLUMNS)
    said = "has statements of the last day" if answer.rows else "has no statement of the last day"
    return ok(f"can be read and {said}; it is up to three hours late")


def judge_metering(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether the credits of warehouses can be read."""
    if missing := answer.missing(METERED):
        return warn(f"WAREHOUSE_METERING_HISTORY has no {', '.join(missing)}", _COLUMNS)
    said = "has credits of the last day" if answer.rows else "has no credits of the last day"
    return ok(f"can be read and {said}; it is up to three hours late")


_OWN_HISTORY: Final = "one's own statements need no grant; GRANT MONITOR ON WAREHOUSE … TO ROLE … shows those of others"

PROBES: Final = (
    Probe("query history", _history, judge_history, _OWN_HISTORY),
    Probe("query history: under way", _history, judge_under_way, _OWN_HISTORY),
    Probe(
        "aggregate query history",
        always(_usage("AGGREGATE_QUERY_HISTORY", "INTERVAL_START_TIME")),
        judge_aggregates,
        "GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE …, as ACCOUNTADMIN: the server's own latencies of "
        "hybrid tables are read there",
    ),
    Probe(
        "warehouse metering",
        always(_usage("WAREHOUSE_METERING_HISTORY", "START_TIME")),
        judge_metering,
        "GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE …, as ACCOUNTADMIN: what a run cost is read there",
    ),
)
