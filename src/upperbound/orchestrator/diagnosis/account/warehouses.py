"""What SHOW WAREHOUSES tells: what runs before and during a run read of it."""

from collections.abc import Mapping
from typing import Any, Final

from upperbound.orchestrator.diagnosis.account.probe import (
    Answer,
    Judgement,
    Probe,
    Seen,
    Skip,
    always,
    fail,
    ok,
    some,
    warn,
)

NEEDED: Final = ("name", "state", "type", "size", "auto_resume")
"""Without these a run cannot tell whether its warehouse runs."""
FOLLOWED: Final = ("running", "queued")
"""What the warehouse's chart shows and a search looks at."""
CLUSTERS: Final = ("started_clusters", "min_cluster_count", "max_cluster_count", "scaling_policy")
"""Columns of accounts whose warehouses may have several clusters."""
_GRANT: Final = "GRANT USAGE, MONITOR ON WAREHOUSE … TO ROLE …"


def judge_warehouses(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether every column is there that is read, and which warehouses are."""
    if missing := answer.missing(NEEDED):
        return fail(f"SHOW WAREHOUSES has no {', '.join(missing)}", "tell us which columns it has")
    if not answer.rows:
        return fail("this role sees no warehouse", _GRANT)
    named = some([_described(row) for row in answer.rows])
    if missing := answer.missing(FOLLOWED):
        found = f"{named}\nSHOW WAREHOUSES has no {', '.join(missing)}: no queue is seen in a run"
        return warn(found, "tell us which columns it has")
    return ok(f"{named}\nname, state, type, size, running and queued are there")


def judge_figures(answer: Answer, seen: Seen) -> Judgement:
    """Say whether the session's warehouse shows what it does, in numbers."""
    name = seen.place("warehouse")
    row = next((row for row in answer.rows if row.get("name") == name), None)
    if row is None:
        return warn(f"SHOW WAREHOUSES does not show {name}, which the session has", _GRANT)
    figures = {key: row.get(key) for key in (*FOLLOWED, "started_clusters") if key in answer.columns}
    wrong = [f"{key} is {value!r}" for key, value in figures.items() if not _is_number(value)]
    if wrong:
        return warn(f"{name}: {', '.join(wrong)}", f"a role sees figures with MONITOR: {_GRANT}")
    said = ", ".join(f"{key} {value}" for key, value in figures.items())
    return ok(f"{_described(row)}: {said}", "compare them with the warehouse's page in Snowsight during a run")


def judge_edition(answer: Answer, _seen: Seen) -> Judgement:
    """Say what SHOW WAREHOUSES hints at, as no statement of this role tells the edition."""
    missing = answer.missing(CLUSTERS)
    if missing:
        found = f"SHOW WAREHOUSES has no {', '.join(missing)}: the Standard edition, whose warehouses have one cluster"
        return ok(found, "queries that queue need a larger warehouse, as no cluster is added")
    several = [str(row.get("name")) for row in answer.rows if (_number(row.get("max_cluster_count")) or 1) > 1]
    if several:
        return ok(f"Enterprise or higher: {some(several)} may have several clusters")
    return ok("Enterprise or higher by its columns; no warehouse that is seen has more than one cluster")


def _described(row: Mapping[str, Any]) -> str:
    kind = str(row.get("type") or "STANDARD")
    said = f"{row.get('name')} ({row.get('size')}, {str(row.get('state')).lower()}"
    return said + (")" if kind == "STANDARD" else f", {kind.lower()})")


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _is_number(value: Any) -> bool:
    """Tell whether a figure is one, or empty as that of a suspended warehouse may be."""
    return value in (None, "") or _number(value) is not None


_NO_WAREHOUSE: Final = Skip("the session has no warehouse")

PROBES: Final = (
    Probe("warehouses", always("SHOW WAREHOUSES"), judge_warehouses, _GRANT, needed=True),
    Probe(
        "warehouse figures",
        lambda seen: "SHOW WAREHOUSES" if seen.place("warehouse") else _NO_WAREHOUSE,
        judge_figures,
        _GRANT,
    ),
    Probe("edition", always("SHOW WAREHOUSES"), judge_edition, _GRANT),
)
