"""One pool for each column that parameters take values of, as large as the one that wants most asks for."""

from typing import Any

from tests.unit.scenario.samples import changed

from upperbound.domain.value_pools import PoolNeed
from upperbound.scenario.model import Scenario
from upperbound.scenario.pool_needs import pool_needs


def needs(*params: dict[str, Any], table: str = '"My schema".Orders') -> list[PoolNeed]:
    sql = "SELECT " + ", ".join(f"${place}::text" for place in range(1, len(params) + 1))
    operation = {"kind": "GENERIC_SQL", "operation_type": "READ", "weight_pct": 100, "sql": sql, "params": params}
    changes = {"workload.operations": [operation], "target.table": table}
    return list(pool_needs(Scenario.model_validate(changed(changes))))


def test_every_source_that_reads_a_column_is_counted_and_one_column_once() -> None:
    found = needs(
        {"pool": "id"},
        {"zipf": {"pool": "ID", "limit": 1_000_000}},
        {"hot_set": {"pool": '"Id"', "limit": 5}},
        {"list": {"gaussian": {"pool": "region", "limit": 7}}, "size": 3},
        {"list": {"pool": '"id"', "limit": 3}, "size": 3},
        {"range": [1, 9]},
        {"zipf": {"range": [1, 9]}},
        {"sequence": {"after": "key"}},
    )
    table = '"My schema"."orders"'
    assert found == [PoolNeed(table, "id", 1_000_000), PoolNeed(table, "Id", 5), PoolNeed(table, "region", 7)]


def test_a_scenario_that_reads_no_column_needs_none() -> None:
    assert needs({"range": [1, 9]}) == []
