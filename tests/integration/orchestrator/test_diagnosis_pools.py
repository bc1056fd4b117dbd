"""The doctor tells whether prepared values still serve, and leaves what cannot be asked to the checks that say why."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scenario.samples import changed

from upperbound.domain.diagnosis import Check, CheckStatus
from upperbound.orchestrator.diagnosis.pools import check_pools
from upperbound.orchestrator.value_pools import PoolOrder, prepare_template
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store, open_store
from upperbound.store.templates import TemplateRef
from upperbound.targets.postgres import ConnInfo, open_connection


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened


@pytest.fixture
def order(store: Store, fresh_database: str) -> PoolOrder:
    target = ConnInfo(fresh_database)
    with open_connection(target) as connection:
        connection.execute("CREATE TABLE orders AS SELECT i AS customer_id FROM generate_series(1, 500) AS i")
    scenario = Scenario.model_validate(changed({}))
    made = store.templates.create(scenario, saved_by="ada")
    return PoolOrder(scenario, TemplateRef(made.template_id, 1), target, seed=1, sampled_by="ada")


def check(store: Store, order: PoolOrder, **reachable: bool) -> Check:
    (found,) = check_pools(store.url, order, **{"reachable": True, **reachable})
    return found


def test_what_is_not_prepared_is_no_fault(store: Store, order: PoolOrder) -> None:
    found = check(store, order)
    assert (found.status, found.advice) == (CheckStatus.OK, "`upperbound template prepare Sample` keeps them")
    assert found.found == "customer_id: none prepared, each run samples its own"
    assert "as the scenario is no template" in check(store, replace(order, template=None)).found


def test_what_serves_is_told_with_its_time_and_what_does_not_with_what_to_do(store: Store, order: PoolOrder) -> None:
    (pool,) = prepare_template(store, order)
    found = check(store, order)
    assert found.status is CheckStatus.OK
    assert found.found.startswith(f"customer_id 50 values, sampled {pool.sampled_at:%Y-%m-%d %H:%M} UTC")
    assert isinstance(order.target, ConnInfo)
    with open_connection(order.target) as connection:
        connection.execute("TRUNCATE orders")
    found = check(store, order)
    assert (found.status, found.advice) == (CheckStatus.WARNING, "`upperbound template prepare Sample`")
    assert "public.orders was written anew" in found.found


def test_what_cannot_be_asked_is_skipped(store: Store, order: PoolOrder, tmp_path: Path) -> None:
    assert check(store, order, reachable=False).status is CheckStatus.SKIPPED
    gone = replace(order, target=ConnInfo("postgresql://127.0.0.1:1/nowhere"))
    prepare_template(store, order)
    assert check(store, gone).status is CheckStatus.SKIPPED
    (found,) = check_pools(f"sqlite:///{tmp_path}/none.db", order, reachable=True)
    assert found.status is CheckStatus.SKIPPED


def test_a_scenario_that_takes_no_values_of_columns_has_no_such_check(store: Store, order: PoolOrder) -> None:
    operation: dict[str, Any] = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}
    plain = Scenario.model_validate(changed({"workload.operations": [operation]}))
    assert check_pools(store.url, replace(order, scenario=plain), reachable=True) == []
