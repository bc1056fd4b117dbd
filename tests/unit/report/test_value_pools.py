"""Value pools in words: what a run takes, what is prepared, and what to do where something is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.scenario.samples import changed

from upperbound.report.plan import plan_lines
from upperbound.report.value_pools import run_pools_text, template_pools_lines
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.views.value_pools import PoolView, ServerPools, TemplatePools

MORNING = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def pool(column: str, values: int, *, prepared: bool = True, hours: int = 0) -> PoolView:
    return PoolView(
        column=column,
        value_type="bigint",
        values=values,
        limit=1_000_000,
        size_bytes=8 * values,
        sampled_at=MORNING + timedelta(hours=hours),
        prepared=prepared,
    )


def test_a_run_says_what_was_prepared_when_and_what_it_samples_itself() -> None:
    assert run_pools_text([]) == ""
    pools = [pool("id", 1_000_000, hours=1), pool("region", 1), pool("key", 7, prepared=False)]
    assert run_pools_text(pools[:2]) == "id 1,000,000 values, region 1 value, prepared 2026-11-24 08:30 UTC"
    assert run_pools_text(pools) == f"{run_pools_text(pools[:2])}; key 7 values, sampled for this run"


def test_the_plan_of_a_run_has_a_line_of_them() -> None:
    config = RunConfig(
        scenario=Scenario.model_validate(changed({"slo": None})),
        threads=(8,),
        seed=1,
        target_url="postgresql://h/db",
        table=None,
        upperbound_version="0",
    )
    without, lines = plan_lines(config), plan_lines(config, [pool("id", 9, prepared=False)])
    assert [line for line in lines if line not in without] == ["Pools    id 9 values, sampled for this run"]


def template(*servers: ServerPools, **changes: Any) -> TemplatePools:
    return TemplatePools(**{"needed": ["id", "key"], "can_be_prepared": True, "servers": list(servers), **changes})


def test_a_template_says_a_line_for_each_database_with_what_to_do() -> None:
    one = ServerPools(server="h:5432/shop", sampled_at=MORNING, pools=[pool("id", 9), pool("key", 8)], missing=[])
    other = ServerPools(server="h:5432/x", sampled_at=MORNING, pools=[pool("id", 9)], missing=["key was not prepared"])
    first, second = template_pools_lines("Rush hour", template(one, other))
    assert first == "id 9 values, key 8 values, sampled 2026-11-24 08:30 UTC from h:5432/shop"
    told, _, advice = second.partition("; ")
    assert told == "id 9 values, sampled 2026-11-24 08:30 UTC from h:5432/x"
    assert advice == "key was not prepared: `upperbound template prepare 'Rush hour'`"


def test_a_template_for_which_nothing_is_prepared_says_why_or_how() -> None:
    assert template_pools_lines("Rush", template()) == [
        "id, key: none prepared, each run samples its own; `upperbound template prepare Rush` keeps them"
    ]
    assert template_pools_lines("Rush", template(can_be_prepared=False)) == [
        "id, key: sampled by each run, as its server is started for it"
    ]
    assert template_pools_lines("Rush", template(needed=[])) == []
