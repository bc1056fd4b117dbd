"""The doctor's checks of a Snowflake target, of a scenario that is complete and of one that is not."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.emulators.handle import PASSWORD, SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.domain.diagnosis import Check, CheckStatus
from upperbound.orchestrator.diagnosis.snowflake import check_snowflake
from upperbound.scenario.targets import SnowflakeTarget

CLOCK = SystemClock()


@pytest.fixture
def connections(snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file whose entry ``bench`` leads to an account with a hybrid table."""
    file = tmp_path / "connections.toml"
    file.touch(mode=0o600)
    file.write_text(snowflake.connections_toml("bench"))
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    snowflake.rows("CREATE HYBRID TABLE orders (id NUMBER(38,0) PRIMARY KEY)")
    return file


def checks(secret: str | None = None, **target: Any) -> dict[str, Check]:
    """Check the target of a scenario that is not complete, and return each check by its name."""
    made = SnowflakeTarget(connection_name="bench", **target)
    found = check_snowflake(made, SecretStr(secret) if secret else None, CLOCK, None, None).checks
    by_name = {check.name: check for check in found}
    assert len(by_name) == len(found), "a name is unique within its area"
    return by_name


@pytest.mark.usefixtures("connections")
def test_warehouse_and_table_are_looked_at_before_there_is_an_operation() -> None:
    found = checks()
    assert found["reachable"].status is CheckStatus.OK
    assert found["scenario fits"].found.startswith("the warehouse fits, and no table is named")
    assert checks(table="orders", table_type="HYBRID")["scenario fits"].found.startswith("warehouse and table fit")


@pytest.mark.usefixtures("connections")
def test_everything_that_does_not_fit_is_one_check_with_what_to_do() -> None:
    fits = checks(table="orders", warehouse="NO_WH")["scenario fits"]
    assert fits.status is CheckStatus.FAILED
    assert [line.partition(":")[0] for line in fits.found.splitlines()] == ["target.warehouse", "target.table_type"]
    assert "set target.table_type: HYBRID" in fits.advice


@pytest.mark.usefixtures("connections")
def test_a_look_that_snowflake_refuses_is_a_failed_check(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("error", pattern="SHOW WAREHOUSES", code=3001, sqlstate="42501", message="Insufficient privileges")
    fits = checks()["scenario fits"]
    assert fits.status is CheckStatus.FAILED
    assert "Insufficient privileges" in fits.found


def test_a_secret_that_is_given_is_used_and_never_shown(snowflake: SnowflakeDatabase, connections: Path) -> None:
    connections.write_text(snowflake.connections_toml("bench", password="wrong-and-secret"))
    assert checks(PASSWORD)["reachable"].status is CheckStatus.OK
    for refused in (checks(), checks("also-wrong-and-secret")):
        assert (refused["reachable"].status, refused["reachable"].unreachable) == (CheckStatus.FAILED, True)
        assert refused["scenario fits"].status is CheckStatus.SKIPPED
        assert "wrong-and-secret" not in str(refused)
