"""The embedded server is made large enough for what a scenario may come to."""

from typing import Any

import pytest
from tests.unit.scenario.samples import changed

from upperbound.orchestrator.open_target import GROWN_THREADS, SPARE_CONNECTIONS, _connections
from upperbound.scenario.model import Scenario

FIXED = {"mode": "FIXED", "min_workers": 2, "min_threads": 8}
BOUNDED = {"mode": "BOUNDED", "max_workers": 3, "max_threads": 10}
SEARCH = {"mode": "FIND_MAX_CONCURRENCY"}
RATE = {"mode": "QPS", "target_qps": 100, "duration_seconds": 9}
STAGES = [{"at": 1, "threads": 25}]


@pytest.mark.parametrize(
    ("load", "scaling", "connections"),
    [
        ({"duration_seconds": 9}, FIXED, 16 + 2),
        ({"threads": 5, "duration_seconds": 9, "stages": STAGES}, BOUNDED, 25 + 3),
        (RATE, FIXED, 16 + 2),
        (RATE, BOUNDED, 30 + 3),
        (RATE, {"mode": "AUTO"}, GROWN_THREADS + 1),
        (RATE | {"threads": 900}, {"mode": "AUTO"}, 900 + 1),
        (SEARCH, {"mode": "AUTO"}, GROWN_THREADS + 1),
        (SEARCH | {"max_threads": 40}, {"mode": "AUTO"}, 40 + 1),
        (SEARCH | {"max_threads": 40}, BOUNDED, 30 + 3),
    ],
)
def test_there_is_a_connection_for_every_thread_and_worker_to_come(
    load: dict[str, Any], scaling: dict[str, Any], connections: int
) -> None:
    scenario = Scenario.model_validate(changed({"load": load, "scaling": scaling, "slo": None}))
    assert _connections(scenario) == connections + SPARE_CONNECTIONS
