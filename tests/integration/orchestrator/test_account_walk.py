"""The doctor walks through a Snowflake account: every probe is made, only reads, and stops no other."""

from pathlib import Path

import pytest
from tests.emulators.handle import PASSWORD, WAREHOUSE, SnowflakeDatabase

from upperbound.clock import SystemClock
from upperbound.domain.diagnosis import Check, CheckArea, CheckStatus
from upperbound.orchestrator.diagnosis.account.walk import PROBES, REACHABLE, check_account
from upperbound.scenario.targets import SnowflakeTarget

OK, WARNING, FAILED, SKIPPED = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILED, CheckStatus.SKIPPED
TARGET = SnowflakeTarget(connection_name="bench", table="orders")
NOT_EMULATED = {"query history: under way", "rows of the table", "sample"}
"""The emulator shows no statement that goes on, counts no rows in SHOW TABLES, and knows no SAMPLE ROW."""


@pytest.fixture(autouse=True)
def entry(snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the entry ``bench`` be the emulated account, whose database holds a table and a view."""
    file = tmp_path / "connections.toml"
    file.write_text(snowflake.connections_toml("bench"))
    file.chmod(0o600)
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    snowflake.rows("CREATE HYBRID TABLE orders (id NUMBER(38,0) NOT NULL PRIMARY KEY, status VARCHAR(20))")
    snowflake.rows("INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
    snowflake.rows("CREATE VIEW seen AS SELECT * FROM orders")
    return file


def walk(target: SnowflakeTarget = TARGET) -> dict[str, Check]:
    checks = check_account(target, SystemClock())
    assert [check.name for check in checks] == [REACHABLE, *(probe.name for probe in PROBES)], "each is told, once"
    assert {check.area for check in checks} == {CheckArea.ACCOUNT}
    assert PASSWORD not in repr(checks)
    return {check.name: check for check in checks}


def of_status(checks: dict[str, Check], *statuses: CheckStatus) -> set[str]:
    return {name for name, check in checks.items() if check.status in statuses}


def test_every_probe_is_made_and_the_account_is_well(snowflake: SnowflakeDatabase) -> None:
    checks = walk()
    assert of_status(checks, WARNING, FAILED) == NOT_EMULATED
    assert of_status(checks, SKIPPED) == {"sample repeated"}
    assert "SNOWFLAKE of entry bench" in checks[REACHABLE].found
    assert f"database {snowflake.name}" in checks["session"].found
    assert f"sees 1 in database {snowflake.name}" in checks["hybrid tables: account"].found
    assert f"{WAREHOUSE} (X-Small, started): running 0, queued 0" in checks["warehouse figures"].found
    assert "ORDERS" in checks["table"].found
    assert "is hybrid" in checks["table"].found
    assert "its 2 columns" in checks["view described"].found
    assert snowflake.counts()["open"] == 0, "the session is closed"


def test_nothing_but_reading_is_sent_and_all_of_it_carries_the_tag(snowflake: SnowflakeDatabase) -> None:
    before = len(snowflake.statements())
    walk()
    sent = snowflake.statements()[before:]
    assert len(sent) == len(PROBES) - 1, "all but the sample's repetition"
    assert {statement["query_type"] for statement in sent if statement["status"] == "SUCCESS"} == {
        *("SELECT", "SHOW", "DESCRIBE", "ALTER_SESSION")
    }
    words = {" ".join(statement["query_text"].split()[:2]) for statement in sent}
    assert {word.split()[0] for word in words if word != "ALTER SESSION"} == {"SELECT", "SHOW", "DESCRIBE"}
    assert all(statement["query_tag"].startswith("upperbound:doctor:") for statement in sent)
    assert snowflake.rows("SELECT COUNT(*) FROM orders") == [(2,)]


def test_a_probe_that_is_refused_stops_no_other_and_says_which_grant_is_missing(snowflake: SnowflakeDatabase) -> None:
    denied = {"code": 3001, "sqlstate": "42501", "message": "Insufficient privileges to operate on schema"}
    snowflake.fault("error", pattern="ACCOUNT_USAGE", **denied)
    snowflake.fault("error", pattern="READ_LATEST_WRITES", code=1420, sqlstate="42601", message="invalid property")
    checks = walk()
    refused = {"aggregate query history", "warehouse metering", "parameter READ_LATEST_WRITES"}
    assert of_status(checks, WARNING, FAILED) == NOT_EMULATED | refused
    assert "Insufficient privileges" in checks["aggregate query history"].found
    assert "SNOWFLAKE.GOVERNANCE_VIEWER" in checks["aggregate query history"].advice
    assert "SNOWFLAKE.USAGE_VIEWER" in checks["warehouse metering"].advice
    assert "7 parameters have the values" in checks["parameters in force"].found, "not told twice"


def test_an_account_without_hybrid_tables_or_warehouses_is_told(snowflake: SnowflakeDatabase) -> None:
    snowflake.fault("error", pattern="SHOW HYBRID TABLES", code=2, sqlstate="0A000", message="Unsupported feature")
    snowflake.fault("error", pattern="SHOW WAREHOUSES", code=3001, sqlstate="42501", message="Insufficient privileges")
    checks = walk()
    assert checks["hybrid tables: account"].status is WARNING
    assert "keep the store in PostgreSQL" in checks["hybrid tables: account"].advice
    assert of_status(checks, FAILED) == {"warehouses"}
    assert "GRANT USAGE" in checks["warehouses"].advice


def test_a_session_that_is_lost_is_opened_anew(snowflake: SnowflakeDatabase) -> None:
    lost = {"code": 390_111, "sqlstate": "08001", "message": "Session no longer exists"}
    snowflake.fault("error", pattern="SHOW VIEWS", times=1, **lost)
    before = len(snowflake.logins())
    checks = walk()
    assert "Session no longer exists" in checks["views"].found
    assert checks["text of times"].status is OK
    assert len(snowflake.logins()) == before + 2


def test_a_session_that_cannot_be_opened_anew_leaves_the_rest_with_the_reason(snowflake: SnowflakeDatabase) -> None:
    lost = {"code": 390_111, "sqlstate": "08001", "message": "Session no longer exists"}
    snowflake.fault("error", pattern="SHOW VIEWS", times=1, **lost)
    no_more = {"code": 390_100, "sqlstate": "08001", "message": "Incorrect username or password was specified."}
    snowflake.fault("error", place="login", skip=1, **no_more)
    checks = walk()
    rest = of_status(checks, SKIPPED)
    assert rest == {"view described", "text of times", "table", "rows of the table", "sample", "sample repeated"}
    assert "the session was lost: " in checks["text of times"].found
    assert "refuses the login" in checks["text of times"].found


def test_without_a_way_in_nothing_is_asked_and_why_is_told(entry: Path, snowflake: SnowflakeDatabase) -> None:
    entry.write_text(snowflake.connections_toml("bench", password="wrong-and-secret"))
    checks = walk()
    assert (checks[REACHABLE].status, checks[REACHABLE].unreachable) == (FAILED, True)
    assert "wrong-and-secret" not in repr(checks)
    assert of_status(checks, SKIPPED) == {probe.name for probe in PROBES}
    missing = walk(SnowflakeTarget(connection_name="nope"))[REACHABLE]
    assert (missing.status, missing.unreachable) == (FAILED, False), "that is mended here and not there"
    assert "bench" in missing.advice


def test_a_file_that_others_can_read_is_told(entry: Path) -> None:
    entry.chmod(0o644)
    reachable = walk()[REACHABLE]
    assert (reachable.status, "chmod 600" in reachable.advice) == (WARNING, True)
