"""The schema is one: the code's tables, the migrations, the SQL that is checked in and what the check expects agree."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.contract.store.conftest import engine_at

from upperbound.store.address import DialectName, parse_store_url
from upperbound.store.check import check_store, expected_columns
from upperbound.store.ddl import DIALECTS, ddl
from upperbound.store.engine import open_store
from upperbound.store.migrate import HEAD_REVISION, REVISIONS, alembic_config
from upperbound.store.snowflake.check import differences
from upperbound.store.tables import CONTROL_TABLES, RESULTS_TABLES, VERSION_TABLE, metadata

SQL = Path(__file__).parents[3] / "sql" / "schema"


def run_script(engine: sa.Engine, texts: Sequence[str]) -> None:
    with engine.begin() as connection:
        for text in texts:
            for statement in filter(str.strip, text.split(";\n")):
                connection.exec_driver_sql(statement)


def is_no_part(name: str | None, kind: str, _parents: object) -> bool:
    """Say whether Alembic is to compare something: the parts of a partitioned table are no tables of the code's."""
    return kind != "table" or re.fullmatch(r"query_executions_p\d\d", name or "") is None


def test_the_migrations_make_what_the_code_expects(store_url: str, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "snowflake":
            assert list(differences(connection)) == []
            return
        options = {"version_table": VERSION_TABLE, "include_name": is_no_part}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    assert check_store(store_url) == []


def test_the_code_knows_every_revision_in_order() -> None:
    revisions = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())
    assert [revision.revision for revision in reversed(revisions)] == list(REVISIONS)


def test_every_table_is_a_control_or_a_results_table() -> None:
    assert {table.name for table in (*CONTROL_TABLES, *RESULTS_TABLES)} == set(metadata.tables)
    assert set(expected_columns()) == set(metadata.tables)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sql_that_is_checked_in_is_what_the_code_prints(dialect: DialectName) -> None:
    checked_in = {path.name: path.read_text() for path in (SQL / dialect).iterdir()}
    assert checked_in == ddl(dialect), f"run `upperbound store ddl --dialect {dialect}` and check the result in"


def test_a_store_made_by_hand_from_the_sql_opens(empty_store_url: str) -> None:
    engine = engine_at(empty_store_url)
    scripts = ddl(parse_store_url(empty_store_url).dialect)
    run_script(engine, [text for name, text in scripts.items() if name != "role.sql"])
    engine.dispose()
    assert check_store(empty_store_url) == []
    with open_store(empty_store_url, migrate=False) as store:
        assert store.runs.list() == []


def test_the_check_names_everything_that_an_empty_store_lacks(empty_store_url: str) -> None:
    findings = check_store(empty_store_url)
    assert {finding.table for finding in findings} >= set(metadata.tables)
    assert all("missing" in finding.message for finding in findings)
    if empty_store_url.startswith("sqlite"):
        assert not Path(empty_store_url.removeprefix("sqlite:///")).exists(), "a check makes no file"


@pytest.mark.changes_tables
def test_the_check_names_each_difference(store_url: str, engine: sa.Engine) -> None:
    if store_url.startswith("snowflake"):
        pytest.skip("not applicable: what can differ on Snowflake has a test of its own")
    others = ", ".join(f"{name} TEXT NOT NULL" for name in ("sequence_id", "event_type", "scope", "event_data"))
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE worker_heartbeats",
            "DROP INDEX ix_test_results_run_id",
            "ALTER TABLE test_results RENAME COLUMN qps TO speed",
            "ALTER TABLE test_results ADD COLUMN mine TEXT",
            "DROP TABLE run_control_events",
            f"CREATE TABLE run_control_events (event_id INTEGER, run_id TEXT, tenant TEXT NOT NULL, {others})",
            "UPDATE upperbound_schema_version SET version_num = '0000'",
        ):
            connection.exec_driver_sql(statement)
    said = {str(finding) for finding in check_store(store_url)}
    assert said >= {
        f"upperbound_schema_version.version_num: is 0000, expected {HEAD_REVISION}",
        "worker_heartbeats: the table is missing",
        "test_results: has no index on (run_id)",
        "test_results.qps: the column is missing",
        "run_control_events.event_id: has type INTEGER, expected TEXT",
        "run_control_events.event_id: must be NOT NULL",
        "run_control_events.run_id: must be NOT NULL",
        "run_control_events.created_at: the column is missing",
        "run_control_events.tenant: is unknown, NOT NULL and without a default: no row can be inserted",
        "run_control_events: has primary key (), expected (event_id)",
        "run_control_events: has no unique constraint on (run_id, sequence_id)",
        "run_control_events: has no foreign key from (run_id) to run_status",
    }
    assert not any("mine" in finding for finding in said), "a column of one's own is allowed"
