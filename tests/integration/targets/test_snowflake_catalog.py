"""What an emulated account holds, and the statements that are made for its tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.emulators.handle import WAREHOUSE, SnowflakeDatabase

from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.scenario.kinds import OperationKind, Preset
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.any_catalog import table_type_of
from upperbound.targets.catalog import ObjectKind, PageRequest
from upperbound.targets.pg_types import Family
from upperbound.targets.sf_catalog import SnowflakeCatalog, snowflake_catalog
from upperbound.targets.sf_connection import SnowflakeInfo
from upperbound.targets.sf_target import snowflake_info
from upperbound.targets.table_scenario import TableScenario, scenario_for_table

DDL = (
    (
        "CREATE HYBRID TABLE orders (id NUMBER(38,0) NOT NULL PRIMARY KEY, customer_id NUMBER(38,0), "
        "status VARCHAR(20), amount NUMBER(12,2), detail VARIANT, INDEX by_status (status))"
    ),
    (
        "CREATE HYBRID TABLE parts (order_id NUMBER(38,0) NOT NULL, line NUMBER(38,0) NOT NULL, "
        "PRIMARY KEY (order_id, line))"
    ),
    "CREATE TABLE plain (id NUMBER(38,0) NOT NULL PRIMARY KEY, word VARCHAR(20))",
    "CREATE TABLE heap (word VARCHAR(20))",
    "CREATE VIEW seen AS SELECT * FROM orders",
    f"CREATE DYNAMIC TABLE fresh TARGET_LAG = '1 minute' WAREHOUSE = {WAREHOUSE} AS SELECT * FROM plain",
    'CREATE TABLE "Odd name" (id NUMBER(38,0))',
    "INSERT INTO orders SELECT SEQ4() + 1, 7, 'new', 1.5, NULL FROM TABLE(GENERATOR(ROWCOUNT => 50))",
    "INSERT INTO plain SELECT SEQ4() + 1, 'a' FROM TABLE(GENERATOR(ROWCOUNT => 50))",
    "INSERT INTO parts VALUES (1, 1), (1, 2)",
    "INSERT INTO heap VALUES ('a')",
)


@pytest.fixture
def info(snowflake: SnowflakeDatabase, tmp_path: Path) -> SnowflakeInfo:
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    with snowflake.connect() as connection:
        for statement in DDL:
            connection.cursor().execute(statement)
    target = SnowflakeTarget(connection_name="bench")
    return snowflake_info(target, purpose="upperbound:test", environment={"SNOWFLAKE_HOME": str(tmp_path)})


@pytest.fixture
def catalog(info: SnowflakeInfo) -> Iterator[SnowflakeCatalog]:
    with snowflake_catalog(info) as catalog:
        yield catalog


def made(info: SnowflakeInfo, table: str, **more: Any) -> TableScenario:
    target = {"kind": "snowflake", "connection_name": "bench"}
    return scenario_for_table(info, target, table, more.pop("preset", Preset.READ_HEAVY), **more)


def test_databases_and_schemas_are_listed(snowflake: SnowflakeDatabase, catalog: SnowflakeCatalog) -> None:
    databases = catalog.databases(PageRequest(search=snowflake.name)).items
    assert [(entry.name, entry.current) for entry in databases] == [(snowflake.name, True)]
    schemas = catalog.schemas(PageRequest()).items
    assert [(entry.name, entry.object_count) for entry in schemas if entry.name == "PUBLIC"] == [("PUBLIC", 7)]


def test_objects_are_listed_page_by_page_each_once(catalog: SnowflakeCatalog) -> None:
    names: list[str] = []
    page = catalog.objects(PageRequest(size=3), "PUBLIC")
    names += [entry.quoted for entry in page.items]
    while page.next is not None:
        page = catalog.objects(PageRequest(size=3, after=page.next), "PUBLIC")
        assert len(page.items) <= 3
        names += [entry.quoted for entry in page.items]
    assert sorted(names) == sorted(
        [f"PUBLIC.{name}" for name in ("FRESH", "HEAP", "ORDERS", "PARTS", "PLAIN", "SEEN")] + ['PUBLIC."Odd name"']
    )
    found = catalog.objects(PageRequest(search="seen")).items
    assert [(entry.name, entry.kind) for entry in found] == [("SEEN", ObjectKind.VIEW)]


def test_a_table_is_told_with_its_columns_and_keys(catalog: SnowflakeCatalog) -> None:
    table = catalog.table("orders")
    assert [(column.name, column.family, column.nullable) for column in table.columns] == [
        ("ID", Family.INTEGER, False),
        ("CUSTOMER_ID", Family.INTEGER, True),
        ("STATUS", Family.TEXT, True),
        ("AMOUNT", Family.NUMBER, True),
        ("DETAIL", Family.JSON, True),
    ]
    assert table.column("STATUS").max_length == 20
    assert [(index.columns, index.unique, index.primary) for index in table.indexes] == [
        (("ID",), True, True),
        (("STATUS",), False, False),
    ]
    with pytest.raises(TargetMismatch):
        catalog.table("nothing")


def test_columns_are_listed_page_by_page(catalog: SnowflakeCatalog) -> None:
    first = catalog.columns("orders", PageRequest(size=3))
    second = catalog.columns("orders", PageRequest(size=3, after=first.next))
    assert [column.name for column in (*first.items, *second.items)] == [
        "ID",
        "CUSTOMER_ID",
        "STATUS",
        "AMOUNT",
        "DETAIL",
    ]
    assert second.next is None


def test_statements_for_a_hybrid_table_go_by_its_key(info: SnowflakeInfo) -> None:
    made_of = made(info, "orders", preset=Preset.MIXED)
    texts = {operation.kind: operation.sql for operation in made_of.loaded.scenario.workload.operations}
    assert texts == {
        OperationKind.POINT_LOOKUP: "SELECT * FROM {table} WHERE ID = ?",
        OperationKind.RANGE_SCAN: "SELECT * FROM {table} WHERE ID >= ? ORDER BY ID LIMIT 100",
        OperationKind.INSERT: "INSERT INTO {table} (ID, CUSTOMER_ID, STATUS, AMOUNT) VALUES (?, ?, ?, ?)",
        OperationKind.UPDATE: "UPDATE {table} SET CUSTOMER_ID = ? WHERE ID = ?",
    }
    assert made_of.loaded.scenario.target.table_type == "HYBRID"
    assert "a hybrid table finds the row by its index" in " ".join(made_of.text.replace("#", "").split())
    assert made_of.refusals == ()


def test_of_a_standard_table_it_is_said_that_its_key_is_not_enforced(info: SnowflakeInfo) -> None:
    made_of = made(info, "plain")
    assert made_of.loaded.scenario.target.table_type == "STANDARD"
    assert "it is not enforced" in " ".join(made_of.text.replace("#", "").split())


@pytest.mark.parametrize(
    ("table", "kind", "reason"),
    [
        ("parts", OperationKind.POINT_LOOKUP, "has several columns"),
        ("heap", OperationKind.POINT_LOOKUP, "there is no primary key"),
        ("fresh", OperationKind.INSERT, "a dynamic table is for reading"),
        ("seen", OperationKind.UPDATE, "a view is for reading"),
    ],
)
def test_what_has_no_honest_statement_is_refused_with_the_reason(
    info: SnowflakeInfo, table: str, kind: OperationKind, reason: str
) -> None:
    try:
        told = {refusal.kind: refusal.reason for refusal in made(info, table, key=None, preset=Preset.MIXED).refusals}
    except ConfigurationError as error:
        told = {OperationKind(problem.where): problem.message for problem in error.problems}
    assert reason in told[kind]


def test_a_view_is_read_by_a_column_that_the_user_names(info: SnowflakeInfo) -> None:
    made_of = made(info, "seen", key="customer_id", preset=Preset.READ_ONLY)
    first = made_of.loaded.scenario.workload.operations[0]
    assert first.sql == "SELECT * FROM {table} WHERE CUSTOMER_ID = ?"
    with pytest.raises(TargetMismatch, match="has no column nope"):
        made(info, "seen", key="nope")


@pytest.mark.parametrize(
    ("table", "found"),
    [("orders", "HYBRID"), ("PUBLIC.PLAIN", "STANDARD"), ("seen", "STANDARD"), ("fresh", "DYNAMIC")],
)
def test_the_type_of_a_table_is_told_as_a_scenario_says_it(info: SnowflakeInfo, table: str, found: str) -> None:
    assert table_type_of(info, table) == found


def test_a_table_that_cannot_be_a_name_is_refused_with_how_it_is_written(info: SnowflakeInfo) -> None:
    with pytest.raises(TargetMismatch, match="'a b' is not a table name"):
        made(info, "a b")
