"""A valid scenario to start from, and what the loader says about a changed one."""

import copy
from typing import Any

import pytest
import yaml

from upperbound.errors import Problem, ScenarioError
from upperbound.scenario.loader import LoadedScenario, parse_scenario

VALID: dict[str, Any] = {
    "name": "Sample",
    "target": {"kind": "postgres", "url": "postgresql://me@127.0.0.1:5432/db", "table": "public.orders"},
    "load": {"threads": 8, "warmup_seconds": 1, "duration_seconds": 2.5, "think_time_ms": 0},
    "scaling": {"mode": "AUTO"},
    "guardrails": {},
    "workload": {
        "seed": 7,
        "operations": [
            {
                "kind": "POINT_LOOKUP",
                "weight_pct": 60,
                "sql": "SELECT * FROM {table} WHERE id = $1",
                "params": [{"zipf": {"range": [1, 100], "exponent": 1.1}}],
                "slo": {"p95_ms": 20, "error_pct": 0.1},
            },
            {
                "kind": "INSERT",
                "weight_pct": 39.99,
                "sql": "INSERT INTO {table} (id, status, customer_id, note) VALUES ($1, $2, $3, $4)",
                "params": [
                    {"sequence": {"after": "id"}},
                    {"choice": ["new", "paid", None]},
                    {"pool": "customer_id", "limit": 50},
                    {"choice": [1, 2.5, True]},
                ],
            },
            {
                "kind": "GENERIC_SQL",
                "name": "top customers",
                "operation_type": "READ",
                "weight_pct": 0.01,
                "sql": "SELECT count(*) FROM {table}",
            },
        ],
    },
    "slo": {"p95_ms": 50, "min_qps": 1000},
    "tags": {"team": "data"},
}

TRANSACTION: dict[str, Any] = {
    "kind": "GENERIC_SQL",
    "name": "pay",
    "operation_type": "WRITE",
    "weight_pct": 0.01,
    "statements": [
        "UPDATE {table} SET status = $2 WHERE id = $1",
        "SELECT status FROM {table} WHERE id = $1",
        "INSERT INTO log (id, amount) VALUES ($1, $3)",
    ],
    "params": [{"range": [1, 100]}, {"choice": ["paid"]}, {"range": [1, 9]}],
}
"""A transaction in place of the sample's last operation."""
REMOVE = object()
"""Stands for a key to take away."""


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the valid sample with the values at some dotted paths replaced, added or removed."""
    data = copy.deepcopy(VALID)
    for path, value in changes.items():
        place: Any = data
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            place = place[step]
        if value is REMOVE:
            del place[last]
        else:
            place[last] = value
    return data


def load(changes: dict[str, Any]) -> LoadedScenario:
    """Load the changed sample."""
    return parse_scenario(yaml.safe_dump(changed(changes), sort_keys=False))


def problems_of(data: Any, *overrides: str) -> dict[str, Problem]:
    """Return the problems of a scenario that must have some, by their place; data or text."""
    text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, overrides)
    return {problem.where: problem for problem in caught.value.problems}
