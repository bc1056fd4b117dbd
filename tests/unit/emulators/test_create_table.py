"""What the emulator makes of CREATE TABLE."""

import pytest
from tests.emulators.snowflake.catalog import ForeignKey, Index, Key, TableKind
from tests.emulators.snowflake.create_table import CreateTable, read_create_table
from tests.emulators.snowflake.errors import SqlError


def read(sql: str) -> CreateTable:
    found = read_create_table(sql)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("sql", "engine_sql"),
    [
        (
            "CREATE HYBRID TABLE t (id INT PRIMARY KEY, k INT, n DATE, INDEX ix (k) INCLUDE (n))",
            "CREATE TABLE t (id INT PRIMARY KEY, k INT, n DATE)",
        ),
        (
            "create or replace hybrid table a.b.t (index first (k), k int, primary key (k))",
            "CREATE OR REPLACE TABLE a.b.t (k INT, PRIMARY KEY (k))",
        ),
        (
            "CREATE HYBRID TABLE IF NOT EXISTS t (id INT, UNIQUE INDEX u (id), CONSTRAINT p PRIMARY KEY (id))",
            "CREATE TABLE IF NOT EXISTS t (id INT, CONSTRAINT p PRIMARY KEY (id))",
        ),
        ("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE t (id INT NOT NULL)"),
        ("CREATE TABLE t (id INT, k INT UNIQUE, PRIMARY KEY (id))", "CREATE TABLE t (id INT NOT NULL, k INT)"),
        ("CREATE TABLE t (id INT NOT NULL, PRIMARY KEY (id))", "CREATE TABLE t (id INT NOT NULL)"),
        ("CREATE TABLE t (id INT REFERENCES o (id)) CLUSTER BY (id, k)", "CREATE TABLE t (id INT)"),
        ("CREATE TRANSIENT TABLE t (id INT) DATA_RETENTION_TIME_IN_DAYS = 0", "CREATE TRANSIENT TABLE t (id INT)"),
        (
            "CREATE DYNAMIC TABLE d TARGET_LAG = '1 minute' WAREHOUSE = w AS SELECT a FROM t",
            "CREATE TABLE d AS SELECT a FROM t",
        ),
        (
            "CREATE INTERACTIVE TABLE i CLUSTER BY (a) TARGET_LAG = '60 seconds' WAREHOUSE = w AS SELECT a FROM t",
            "CREATE TABLE i AS SELECT a FROM t",
        ),
        ('CREATE TABLE t (at TIMESTAMP_NTZ, "at" INT)', 'CREATE TABLE t ("AT" TIMESTAMPNTZ, "at" INT)'),
    ],
)
def test_the_engine_is_given_a_plain_table(sql: str, engine_sql: str) -> None:
    assert read(sql).sql == engine_sql


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("", TableKind.STANDARD),
        ("TRANSIENT", TableKind.STANDARD),
        ("HYBRID", TableKind.HYBRID),
        ("interactive", TableKind.INTERACTIVE),
    ],
)
def test_the_type_of_a_table_is_remembered(word: str, kind: TableKind) -> None:
    assert read(f"CREATE {word} TABLE t (id INT PRIMARY KEY)").kind is kind


def test_keys_and_indexes_are_remembered_as_snowflake_stores_their_names() -> None:
    table = read(
        'CREATE HYBRID TABLE s.t (id INT, "k" INT, o INT, CONSTRAINT uk UNIQUE ("k"), PRIMARY KEY (id, "k"), '
        'CONSTRAINT fk FOREIGN KEY (o) REFERENCES d.s.other (id), INDEX ix (o, id) INCLUDE ("k"))'
    )
    assert table.parts == ("S", "T")
    assert table.primary_key == Key("SYS_PK_T_2", ("ID", "k"))
    assert table.unique_keys == (Key("UK", ("k",)),)
    assert table.foreign_keys == (ForeignKey("FK", ("O",), ("D", "S", "OTHER"), ("ID",)),)
    assert table.indexes == (Index("IX", ("O", "ID"), ("k",)),)


def test_the_options_and_the_query_of_a_dynamic_table_are_remembered() -> None:
    table = read("CREATE DYNAMIC TABLE d TARGET_LAG = '1 minute' WAREHOUSE = w REFRESH_MODE = FULL AS SELECT 1 AS a")
    assert table.options == {"TARGET_LAG": "1 minute", "WAREHOUSE": "w", "REFRESH_MODE": "FULL"}
    assert table.query == "SELECT 1 AS a"


def test_a_word_in_a_comment_or_a_string_is_left_alone() -> None:
    table = read("CREATE TABLE t (id INT DEFAULT 1 /* INDEX a (b) */) COMMENT = 'HYBRID TABLE, INDEX x (y)'")
    assert table.kind is TableKind.STANDARD
    assert table.indexes == ()
    assert "HYBRID TABLE, INDEX x (y)" in table.sql


def test_a_name_is_completed_by_the_session() -> None:
    assert read("CREATE TABLE t (id INT)").name("D", "S") == ("D", "S", "T")
    assert read("CREATE TABLE x.t (id INT)").name("D", "S") == ("D", "X", "T")
    assert read('CREATE TABLE "d".x.t (id INT)').name("D", "S") == ("d", "X", "T")


@pytest.mark.parametrize(
    ("sql", "code"),
    [("CREATE HYBRID TABLE t (id INT)", 2), ("CREATE TABLE t (id foo bar)", 1003), ("CREATE TABLE t (", 1003)],
)
def test_what_snowflake_refuses_is_refused(sql: str, code: int) -> None:
    with pytest.raises(SqlError) as refused:
        read_create_table(sql)
    assert refused.value.code == code


@pytest.mark.parametrize("sql", ["CREATE VIEW v AS SELECT 1", "CREATE WAREHOUSE w", "SELECT 1", "DROP TABLE t"])
def test_other_statements_are_left_to_others(sql: str) -> None:
    assert read_create_table(sql) is None
