"""The parameters that sessions of the product set."""

from collections.abc import Callable, Mapping
from typing import Final

from upperbound.orchestrator.diagnosis.account.probe import Answer, Judgement, Probe, Seen, always, ok, warn

PARAMETERS: Final = {
    "USE_CACHED_RESULT": "FALSE",
    "READ_LATEST_WRITES": "TRUE",
    "ABORT_DETACHED_QUERY": "TRUE",
    "LOCK_TIMEOUT": "20",
    "HYBRID_TABLE_LOCK_TIMEOUT": "20",
    "STATEMENT_TIMEOUT_IN_SECONDS": "60",
    "TIMEZONE": "'UTC'",
}
"""By name, with the value that is set here, as it is written in SQL."""
AT_LOGIN: Final = {
    "USE_CACHED_RESULT": "FALSE",
    "READ_LATEST_WRITES": "TRUE",
    "ABORT_DETACHED_QUERY": "TRUE",
    "STATEMENT_TIMEOUT_IN_SECONDS": "60",
    "TIMEZONE": "UTC",
}
"""What the session of these probes is opened with, beside its tag."""
_WITHOUT: Final = {
    "QUERY_TAG": "without it no statement of a run can be found in Snowflake's history",
    "USE_CACHED_RESULT": "without it a run measures the cache of results",
    "READ_LATEST_WRITES": "without it a store on Snowflake may read what was true 100 ms ago",
    "ABORT_DETACHED_QUERY": "without it statements of a killed worker go on",
    "LOCK_TIMEOUT": "without it statements of the store wait for locks as long as the account says",
    "HYBRID_TABLE_LOCK_TIMEOUT": "without it statements of the store wait for locks as long as the account says",
    "STATEMENT_TIMEOUT_IN_SECONDS": "without it statement_timeout_seconds of a scenario has no effect",
    "TIMEZONE": "without it times are not in UTC",
}
_SHOW: Final = "SHOW PARAMETERS IN SESSION"
PHASE: Final = ":probe"
"""What is added to the tag in the middle of the session, as at the change of a run's phase."""


def judge_set(answer: Answer, _seen: Seen) -> Judgement:
    """Say that a parameter was taken, which the statement would have failed without."""
    del answer
    return ok("can be set")


def judge_at_login(answer: Answer, seen: Seen) -> Judgement:
    """Say whether the session has the values that it was opened with."""
    return _compared(answer, {"QUERY_TAG": seen.tag, **AT_LOGIN}, "that the login asked for")


def judge_in_force(answer: Answer, seen: Seen) -> Judgement:
    """Say whether the session has the values that were set within it."""
    wanted = {"QUERY_TAG": seen.tag + PHASE} | {key: value.strip("'") for key, value in PARAMETERS.items()}
    # What could not be set has said so itself.
    wanted = {key: value for key, value in wanted.items() if parameter_name(key) in seen.answers}
    return _compared(answer, wanted, "that were set")


def _compared(answer: Answer, wanted: Mapping[str, str], which: str) -> Judgement:
    if missing := answer.missing(("key", "value")):
        return warn(f"SHOW PARAMETERS has no {', '.join(missing)}", "tell us which columns it has")
    shown = {str(row["key"]).upper(): str(row["value"]) for row in answer.rows}
    wrong = [
        f"{key} is {shown[key]!r}" if key in shown else f"{key} is not shown"
        for key, value in wanted.items()
        if shown.get(key, "").lower() != value.lower()
    ]
    if wrong:
        return warn("\n".join(wrong), "an administrator may have forbidden it; tell us what the session shows")
    return ok(f"{len(wanted)} parameters have the values {which}")


def parameter_name(key: str) -> str:
    """Return the name of the probe that sets a parameter."""
    return f"parameter {key}"


def _setting(key: str, value: Callable[[Seen], str]) -> Probe:
    return Probe(parameter_name(key), lambda seen: f"ALTER SESSION SET {key} = {value(seen)}", judge_set, _WITHOUT[key])


def _constant(value: str) -> Callable[[Seen], str]:
    return lambda _seen: value


PROBES: Final = (
    Probe("parameters at login", always(_SHOW), judge_at_login, "tell us what Snowflake said"),
    _setting("QUERY_TAG", lambda seen: f"'{seen.tag}{PHASE}'"),
    *(_setting(key, _constant(value)) for key, value in PARAMETERS.items()),
    Probe(
        "parameters in force",
        always(_SHOW),
        judge_in_force,
        "tell us what Snowflake said",
    ),
)
