"""Scenarios of the acceptance tests, as a user would write them."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import yaml

ITEMS_DDL: Final = """
CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL, born date NOT NULL);
INSERT INTO items SELECT i, 'item ' || i, i % 100, date '2020-01-01' + i % 1000 FROM generate_series(1, 5000) AS i;
ANALYZE items;
"""
"""The table that the scenario below reads."""

THINK_MS: Final = 4
"""Between two operations of a thread: other tests run beside this one, and need the processors as well."""

_ITEMS: Final[dict[str, Any]] = {
    "name": "Items",
    "target": {"kind": "postgres", "url": "", "table": "public.items"},
    "load": {"mode": "CONCURRENCY", "warmup_seconds": 0, "duration_seconds": 60, "think_time_ms": THINK_MS},
    "scaling": {"mode": "FIXED", "min_workers": 2, "min_threads": 2},
    "workload": {
        "seed": 7,
        "operations": [
            {
                "kind": "POINT_LOOKUP",
                "weight_pct": 90,
                "sql": "SELECT name FROM {table} WHERE id = $1",
                "params": [{"range": [1, 5000]}],
            },
            {
                "kind": "RANGE_SCAN",
                "weight_pct": 10,
                "sql": "SELECT id, price FROM {table} WHERE id BETWEEN $1 AND $1 + 9",
                "params": [{"range": [1, 4990]}],
            },
        ],
    },
}


def items_scenario(url: str, changes: Mapping[str, Any] | None = None) -> str:
    """Return a sound scenario that reads ``items`` for a minute, with the values at some dotted paths changed."""
    data = copy.deepcopy(_ITEMS)
    data["target"]["url"] = url
    for path, value in (changes or {}).items():
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        place: Any = data
        for step in steps:
            place = place[step]
        place[last] = value
    if data["load"]["mode"] != "CONCURRENCY":
        data["load"].pop("think_time_ms", None)
    return yaml.safe_dump(data, sort_keys=False)


def sleeping_scenario(url: str, seconds: float) -> str:
    """Return a scenario whose only query takes ``seconds``, save for the check that tries it before the run."""
    sleep = {"kind": "GENERIC_SQL", "name": "nap", "operation_type": "READ", "weight_pct": 100, "params": []}
    sql = f"SELECT pg_sleep({seconds}) WHERE current_setting('application_name') <> 'upperbound:preflight'"
    return items_scenario(url, {"workload.operations": [{**sleep, "sql": sql}]})
