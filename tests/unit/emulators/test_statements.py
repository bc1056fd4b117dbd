"""What the emulator reads in a statement."""

import pytest
from tests.emulators.snowflake.catalog import Index
from tests.emulators.snowflake.commands import (
    AlterWarehouse,
    CreateIndex,
    CreateWarehouse,
    DropIndex,
    DropWarehouse,
    Nothing,
    RefreshTable,
    SessionChange,
    Show,
    Special,
    StageCommand,
    Transaction,
    Use,
)
from tests.emulators.snowflake.errors import SqlError
from tests.emulators.snowflake.statements import read_stage, read_statement, stored_tables


@pytest.mark.parametrize(
    ("sql", "special"),
    [
        ("ALTER SESSION SET QUERY_TAG = 'it''s', B = TRUE", SessionChange({"QUERY_TAG": "it's", "B": "TRUE"})),
        (
            "alter session set query_tag='x' use_cached_result=false",
            SessionChange({"QUERY_TAG": "x", "USE_CACHED_RESULT": "false"}),
        ),
        ("ALTER SESSION UNSET a, b", SessionChange({"A": None, "B": None})),
        ("USE WAREHOUSE w", Use("WAREHOUSE", "W")),
        ('USE ROLE "r"', Use("ROLE", "r")),
        (
            "CREATE OR REPLACE WAREHOUSE w WITH WAREHOUSE_SIZE = 'LARGE' MAX_CLUSTER_COUNT = 3",
            CreateWarehouse("W", "STANDARD", True, False, {"WAREHOUSE_SIZE": "LARGE", "MAX_CLUSTER_COUNT": "3"}),
        ),
        (
            "CREATE INTERACTIVE WAREHOUSE IF NOT EXISTS w TABLES (a, b.c) WAREHOUSE_SIZE = XSMALL",
            CreateWarehouse(
                "W", "INTERACTIVE", False, True, {"WAREHOUSE_SIZE": "XSMALL"}, frozenset({("A",), ("B", "C")})
            ),
        ),
        ("ALTER WAREHOUSE w RESUME IF SUSPENDED", AlterWarehouse("W", False, "RESUME", {"IF": "SUSPENDED"})),
        ("ALTER WAREHOUSE IF EXISTS w SUSPEND", AlterWarehouse("W", True, "SUSPEND")),
        ("ALTER WAREHOUSE w SET AUTO_SUSPEND = 60", AlterWarehouse("W", False, "SET", {"AUTO_SUSPEND": "60"})),
        ("ALTER WAREHOUSE w ADD TABLES (t)", AlterWarehouse("W", False, "ADD", {}, frozenset({("T",)}))),
        ("DROP WAREHOUSE IF EXISTS w", DropWarehouse("W", True)),
        (
            "CREATE UNIQUE INDEX i ON s.t (a, b) INCLUDE (c)",
            CreateIndex(Index("I", ("A", "B"), ("C",), True), ("S", "T"), False),
        ),
        ("DROP INDEX t.i", DropIndex(("T", "I"), False)),
        ("SHOW WAREHOUSES LIKE 'a%'", Show("WAREHOUSES", "a%", "", ())),
        ("SHOW HYBRID TABLES IN SCHEMA d.s", Show("HYBRID TABLES", None, "SCHEMA", ("D", "S"))),
        ('SHOW /* who asks */ INDEXES IN TABLE "t"', Show("INDEXES", None, "TABLE", ("t",))),
        ("SHOW PRIMARY KEYS IN ACCOUNT", Show("PRIMARY KEYS", None, "ACCOUNT", ())),
        ("SHOW PARAMETERS LIKE 'QUERY_TAG' IN SESSION", Show("PARAMETERS", "QUERY_TAG", "SESSION", ())),
        ("BEGIN", Transaction("BEGIN")),
        ("START TRANSACTION", Transaction("BEGIN")),
        ("COMMIT WORK;", Transaction("COMMIT")),
        ("rollback", Transaction("ROLLBACK")),
        ("ALTER DYNAMIC TABLE d REFRESH", RefreshTable(("D",))),
        ("ALTER DYNAMIC TABLE d SUSPEND", Nothing()),
        ("REMOVE @d.s.stage/run-1/a.parquet", StageCommand("REMOVE", ("D", "S", "STAGE"), "run-1/a.parquet")),
        ("RM @stage PATTERN = '.*gz'", StageCommand("REMOVE", ("STAGE",), "", ".*gz")),
        ("LIST '@stage/run 1'", StageCommand("LIST", ("STAGE",), "run 1")),
        ("DROP STAGE IF EXISTS s.stage", StageCommand("DROP", ("S", "STAGE"), if_exists=True)),
        ("GRANT SELECT ON TABLE t TO ROLE r", Nothing()),
    ],
)
def test_a_statement_that_the_emulator_answers_itself_is_read(sql: str, special: Special) -> None:
    assert read_statement(sql).special == special


@pytest.mark.parametrize(
    ("sql", "query_type", "writes", "needs_warehouse"),
    [
        ("SELECT 1", "SELECT", False, False),
        ("SELECT * FROM t", "SELECT", False, True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "SELECT", False, False),
        ("SELECT * FROM d.INFORMATION_SCHEMA.TABLES", "SELECT", False, False),
        ("INSERT INTO t VALUES (1)", "INSERT", True, True),
        ("UPDATE t SET a = 1", "UPDATE", True, True),
        ("DELETE FROM t", "DELETE", True, True),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "MERGE", True, True),
        ("COPY INTO t FROM @s", "COPY", True, True),
        ("CREATE TABLE t (a INT)", "CREATE_TABLE", False, False),
        ("CREATE TABLE t AS SELECT 1 AS a", "CREATE_TABLE_AS_SELECT", False, False),
        ("TRUNCATE TABLE t", "TRUNCATE_TABLE", False, False),
        ("PUT file:///tmp/a @s", "PUT_FILES", False, False),
        ("DROP DYNAMIC TABLE t", "DROP", False, False),
        ("DESCRIBE TABLE t", "DESCRIBE", False, False),
    ],
)
def test_the_kind_of_a_statement_is_told(sql: str, query_type: str, writes: bool, needs_warehouse: bool) -> None:
    statement = read_statement(sql)
    assert (statement.query_type, statement.writes, statement.needs_warehouse) == (query_type, writes, needs_warehouse)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", 1003),
        ("FROBNICATE", 1003),
        ("SELECT (1", 1003),
        ("", 900),
        ("SELECT 'open", 1003),
        ("-- nothing", 900),
        ("SELECT 1; SELECT 2", 8),
    ],
)
def test_what_is_no_statement_is_refused_with_snowflakes_code(sql: str, code: int) -> None:
    with pytest.raises(SqlError) as refused:
        read_statement(sql)
    assert refused.value.code == code


def test_the_tables_of_a_statement_are_found_wherever_they_stand() -> None:
    expression = read_statement(
        'WITH c AS (SELECT * FROM x) SELECT * FROM c JOIN s."y" USING (a) WHERE b IN (SELECT b FROM d.s.z)'
    ).expression
    assert expression is not None
    assert sorted(stored_tables(expression)) == [("D", "S", "Z"), ("S", "y"), ("X",)]


@pytest.mark.parametrize(
    ("location", "stage", "path"),
    [
        ("@s", ("S",), ""),
        ('@d."p".s/a/B.parquet', ("D", "p", "S"), "a/B.parquet"),
        ("'@s/with space'", ("S",), "with space"),
    ],
)
def test_the_location_of_a_stage_is_read(location: str, stage: tuple[str, ...], path: str) -> None:
    assert read_stage(location) == (stage, path)


def test_a_location_without_its_mark_is_a_syntax_error() -> None:
    with pytest.raises(SqlError, match="begins without @"):
        read_stage("s/a")
