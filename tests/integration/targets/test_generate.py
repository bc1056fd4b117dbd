"""Statements generated for ten kinds of table are prepared and executed by a real server, or refused with a reason.

Every statement that is generated is executed with values from the sources that it names, and has to do what its kind
says: a lookup and an update find exactly one row, an insert adds one, a scan reads as many rows as it says.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from tests.integration.targets.sampled import sample_pool

from upperbound.clock import SystemClock
from upperbound.errors import ConfigurationError, TargetMismatch
from upperbound.planning.gate import try_operations
from upperbound.scenario.kinds import OperationKind, Preset
from upperbound.scenario.model import Scenario
from upperbound.scenario.params import Param, PoolParam, RangeParam, SequenceParam
from upperbound.scenario.presets import SHARES_PCT
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.catalog import TableEntry
from upperbound.targets.generate import Answer, generate
from upperbound.targets.generated import Generated, Refusal
from upperbound.targets.generated_scenario import checked, scenario_text
from upperbound.targets.pg_catalog_reader import PostgresCatalog, catalog_connection
from upperbound.targets.pg_connection import ConnInfo
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_table_facts import table_facts
from upperbound.targets.pg_validate import validate_statement
from upperbound.targets.postgres import max_value, preflight

EXECUTIONS = 25
SEED = 5
LOOKUP, SCAN, INSERT, UPDATE = "POINT_LOOKUP", "RANGE_SCAN", "INSERT", "UPDATE"
ALL = {LOOKUP, SCAN, INSERT, UPDATE}
WIDE = ", ".join(f"c{number} {('int', 'text', 'numeric(8, 2)', 'timestamptz')[number % 4]}" for number in range(199))
WIDE_VALUES = ", ".join(
    ("i + {0}", "'v' || i || '-{0}'", "(i + {0}) / 7.0", "now() - i * interval '{0} minutes'")[number % 4].format(
        number
    )
    for number in range(199)
)


@dataclass(frozen=True)
class Schema:
    """A table, and what can be generated for it."""

    name: str
    ddl: str
    table: str
    generated: frozenset[str]
    key: str | None = None
    marks: tuple[str, ...] = ()
    """Parts of the statements and reasons that show the decision."""


def schema(name: str, ddl: str, table: str, generated: set[str], *marks: str, key: str | None = None) -> Schema:
    return Schema(name, ddl, table, frozenset(generated), key, marks)


SCHEMAS = [
    schema(
        "no key",
        "CREATE TABLE t (at timestamptz NOT NULL, level int, line text);"
        "INSERT INTO t SELECT now() - i * interval '1 second', i % 5, 'line ' || i FROM generate_series(1, 2000) AS i",
        "t",
        {INSERT},
        "there is no key: no primary key, and no unique index; one row cannot be told from the others",
        "its rows have no order that an index keeps",
        "INSERT INTO {table} (at, level, line) VALUES ($1, $2, $3)",
    ),
    schema(
        "no key with an index",
        "CREATE TABLE t (at timestamptz NOT NULL, level int, line text); CREATE INDEX by_level ON t (level);"
        "CREATE INDEX by_time ON t (at);"
        "INSERT INTO t SELECT now() - i * interval '1 second', i % 5, 'line ' || i FROM generate_series(1, 2000) AS i",
        "t",
        {SCAN, INSERT},
        "the index by_time, which begins with at",
        "WHERE at >= $1 ORDER BY at LIMIT 100",
    ),
    schema(
        "composite key",
        "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 500);"
        "CREATE TABLE t (order_id bigint REFERENCES orders, line int, item text NOT NULL,"
        " PRIMARY KEY (order_id, line));"
        "INSERT INTO t SELECT o, l, 'item ' || o FROM generate_series(1, 500) AS o, generate_series(1, 4) AS l",
        "t",
        ALL,
        "WHERE (order_id, line) >= ($1, $2) ORDER BY order_id, line LIMIT 1",
        "SET item = $3 WHERE (order_id, line) = (SELECT order_id, line FROM {table}",
        "line is unique; a sequence gives each value once",
    ),
    schema(
        "uuid key",
        "CREATE TABLE t (id uuid PRIMARY KEY, name varchar(40) NOT NULL, made timestamptz DEFAULT now());"
        "INSERT INTO t SELECT gen_random_uuid(), 'name ' || i FROM generate_series(1, 2000) AS i",
        "t",
        {LOOKUP, INSERT, UPDATE},
        "neighbours by the primary key (id) have nothing in common",
        "VALUES (gen_random_uuid(), $1)",
    ),
    schema(
        "uuid key with a time",
        "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamp NOT NULL, n smallint);"
        "CREATE INDEX by_time ON t (at, n);"
        "INSERT INTO t (at, n) SELECT now() - i * interval '1 hour', i % 9 FROM generate_series(1, 2000) AS i",
        "t",
        ALL,
        "the index by_time, which begins with at",
        "INSERT INTO {table} (at, n) VALUES ($1, $2)",
    ),
    schema(
        "identity",
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " number int GENERATED BY DEFAULT AS IDENTITY, name text);"
        "INSERT INTO t (name) SELECT 'name ' || i FROM generate_series(1, 2000) AS i",
        "t",
        ALL,
        "INSERT INTO {table} (name) VALUES ($1)",
        "id, number (identity columns, which the server numbers)",
        "whole numbers from 1 to 2000",
    ),
    schema(
        "generated columns",
        "CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE >= 0);"
        "CREATE TABLE t (id int PRIMARY KEY, total numeric GENERATED ALWAYS AS (net * 1.2) STORED, net price NOT NULL);"
        "INSERT INTO t (id, net) SELECT 3 * i, i FROM generate_series(1, 2000) AS i",
        "t",
        ALL,
        "INSERT INTO {table} (id, net) VALUES ($1, $2::numeric)",
        "SET net = $2::numeric",
        "up to 10,000 sampled from the column",
    ),
    schema(
        "partitioned",
        "CREATE TABLE t (id bigint, at date, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2025-07-01');"
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM ('2025-07-01') TO ('2026-01-01');"
        "INSERT INTO t SELECT i, date '2025-01-01' + i % 365, 'note' FROM generate_series(1, 2000) AS i",
        "t",
        ALL,
        "id is unique; a sequence gives each value once",
        "Every partition is looked into",
        "SET note = $3",
    ),
    schema(
        "partitioned by its key",
        "CREATE TABLE t (id bigint PRIMARY KEY, note text) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (1) TO (2001);"
        "INSERT INTO t SELECT i, 'note ' || i FROM generate_series(1, 2000) AS i",
        "t",
        {LOOKUP, SCAN, UPDATE},
        "t_pkey keeps (id) unique, and there is no way to make up new values for it",
    ),
    schema(
        "inherited from",
        "CREATE TABLE t (id int PRIMARY KEY, note text); CREATE TABLE younger () INHERITS (t);"
        "INSERT INTO t SELECT i, 'note ' || i FROM generate_series(1, 2000) AS i; INSERT INTO younger TABLE t",
        "t",
        {INSERT},
        "other tables inherit from it, for whose rows its keys do not hold; one row cannot be told from the others",
        "for whose rows its keys do not hold; its rows have no order that an index keeps",
    ),
    schema(
        "view",
        "CREATE TABLE base (id int PRIMARY KEY, name text);"
        "INSERT INTO base SELECT i, 'name ' || i FROM generate_series(1, 2000) AS i; CREATE VIEW t AS TABLE base",
        "t",
        {LOOKUP, SCAN},
        "a view is for reading here",
        "the column id, which you named as key",
        key="id",
    ),
    schema(
        "materialized view",
        "CREATE TABLE base (id int, name text);"
        "INSERT INTO base SELECT i, 'name ' || i FROM generate_series(1, 2000) AS i;"
        "CREATE MATERIALIZED VIEW t AS TABLE base; CREATE UNIQUE INDEX ON t (id); CREATE INDEX by_name ON t (name)",
        "t",
        {SCAN},
        "over all rows with columns that are never NULL (t_id_idx is none)",
        "a materialized view takes no writes",
    ),
    schema(
        "quoted mixed-case names",
        'CREATE SCHEMA "My Shop"; CREATE TABLE "My Shop"."Order""s" ("Id" bigint PRIMARY KEY, "Größe in €" text);'
        'INSERT INTO "My Shop"."Order""s" SELECT i, \'größe \' || i FROM generate_series(1, 2000) AS i',
        '"My Shop"."Order""s"',
        ALL,
        'WHERE "Id" = $1',
        'SET "Größe in €" = $2',
    ),
    schema(
        "reserved words",
        'CREATE TABLE "table" ("select" int PRIMARY KEY, "user" text NOT NULL, "order" date, "from" boolean);'
        "INSERT INTO \"table\" SELECT i, 'u' || i, current_date - i, i % 2 = 0 FROM generate_series(1, 2000) AS i",
        '"table"',
        ALL,
        'WHERE "select" = $1',
        'SET "user" = $2',
        'INSERT INTO {table} ("select", "user", "order", "from") VALUES ($1, $2, $3, $4)',
    ),
    schema(
        "every kind of type",
        "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b text);"
        "CREATE DOMAIN code AS varchar(9); CREATE DOMAIN ids AS int[]; CREATE DOMAIN key AS bigint;"
        "CREATE TABLE t (id key PRIMARY KEY, m mood, a int[], t text[], b bytea, i interval, j json, jb jsonb, ip inet,"
        " c money, p point, v tsvector, bits bit(4), yes boolean, r real, f float8, fixed char(5), tm time,"
        ' ttz timetz, co pair, d code, ds ids, r4 int4range, o oid, n name, q "char", num numeric(20, 5), u uuid);'
        "INSERT INTO t SELECT i, 'sad', ARRAY[i, 2], ARRAY['a,b', NULL], '\\x00ff', i * interval '1 min', '{\"a\": 1}',"
        " '[1]', '10.0.0.1', 5, '(1,2)', to_tsvector('a b'), B'0101', true, 1.5, i / 3.0, 'ab', now()::time,"
        " now()::timetz, ROW(1, 'x, y')::pair, 'c' || i, ARRAY[1], '[1,5)', 5, 'n', 'q', i / 7.0, gen_random_uuid()"
        " FROM generate_series(1, 1000) AS i",
        "t",
        ALL,
        "$9",
    ),
    schema(
        "200 columns",
        f"CREATE TABLE t (id bigint PRIMARY KEY, {WIDE});"
        f"INSERT INTO t SELECT i, {WIDE_VALUES} FROM generate_series(1, 1000) AS i",
        "t",
        ALL,
        "$200)",
        "c0, c1, c2, c3, c4, c5, c6, c7 and 191 more",
    ),
]


@pytest.fixture
def connection(fresh_database: str) -> Iterator[Connection]:
    with catalog_connection(ConnInfo(fresh_database)) as connection:
        yield connection


def answers_for(connection: Connection, table: str, key: str | None = None) -> tuple[TableEntry, tuple[Answer, ...]]:
    entry = PostgresCatalog(connection).table(table)
    return entry, generate(entry, table_facts(connection, entry), key)


def generated_of(answers: tuple[Answer, ...]) -> dict[str, Generated]:
    return {answer.kind.value: answer for answer in answers if isinstance(answer, Generated)}


def refused_of(answers: tuple[Answer, ...]) -> dict[str, str]:
    return {answer.kind.value: answer.reason for answer in answers if isinstance(answer, Refusal)}


class Values:
    """Values from the sources that a statement names."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._random = random.Random(SEED)
        self._pools: dict[str, list[Any]] = {}
        self._next: dict[str, int] = {}

    def draw(self, source: Param) -> Any:
        if isinstance(source, RangeParam):
            return self._random.randint(*source.range)
        if isinstance(source, PoolParam):
            if source.pool not in self._pools:
                values = sample_pool(self._connection, self._table, source.pool, source.limit, SEED)
                self._pools[source.pool] = values
            return self._random.choice(self._pools[source.pool])
        assert isinstance(source, SequenceParam)
        column = source.sequence.after
        assert column is not None
        at = self._next.get(column) or max_value(self._connection, self._table, column) + 1
        self._next[column] = at + 1
        return at


def execute(connection: Connection, table: str, statement: Generated, values: Values) -> int:
    """Execute a statement once; return how many rows it read or changed."""
    arguments = [values.draw(source) for source in statement.params]
    cursor = psycopg.RawCursor(connection)
    cursor.execute(statement.sql.replace("{table}", table).encode(), arguments)
    return cursor.rowcount


def run_of(scenario: Scenario) -> RunConfig:
    """Return a run of a generated scenario, by two workers of four threads."""
    return RunConfig(
        scenario=scenario,
        threads=(4, 4),
        seed=SEED,
        target_url="postgresql://x/y",
        table=scenario.target.table,
        upperbound_version="test",
    )


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_what_is_generated_is_prepared_and_executed_and_does_what_its_kind_says(
    schema: Schema, fresh_database: str, connection: Connection
) -> None:
    connection.execute(f"{schema.ddl}; ANALYZE".encode())
    entry, answers = answers_for(connection, schema.table, schema.key)
    found = generated_of(answers)

    told = "\n".join([*(f"{answer.sql} {answer.reasons}" for answer in found.values()), *refused_of(answers).values()])
    assert found.keys() == schema.generated, told
    assert [mark for mark in schema.marks if mark not in told] == [], told
    preset = Preset.MIXED if found.keys() & {LOOKUP, SCAN} else Preset.WRITE_ONLY
    text = scenario_text({"kind": "postgres", "url": "postgresql://x/y"}, entry, answers, preset)
    scenario = checked(text).scenario
    preflight(ConnInfo(fresh_database), scenario, 1)
    assert try_operations(ConnInfo(fresh_database), run_of(scenario), SystemClock()) == ()
    assert sum(operation.weight_pct for operation in scenario.workload.operations) == 100
    assert [(operation.sql, operation.params) for operation in scenario.workload.operations] == [
        (answer.sql, answer.params) for answer in found.values() if answer.kind in SHARES_PCT[preset]
    ]

    for kind, answer in found.items():
        plan = "\n".join(validate_statement(connection, answer.sql, entry.object.quoted).plan)
        # What is found by a key is found by its index, and in its order: nothing is read as a whole, nothing is sorted.
        if kind != INSERT and schema.key is None:
            assert "Index" in plan, plan
            assert not re.search(r"Seq Scan|Sort$", plan, re.MULTILINE), plan
    values = Values(connection, schema.table)
    for kind, answer in found.items():
        counts = [execute(connection, schema.table, answer, values) for _ in range(EXECUTIONS)]
        if kind == SCAN:
            assert max(counts) == 100, counts
            assert sum(counts) > 90 * EXECUTIONS, counts
        else:
            assert counts == [1] * EXECUTIONS, kind


def test_the_ends_of_a_key_are_drawn_and_found(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id smallint PRIMARY KEY); INSERT INTO t SELECT generate_series(-50, 49); ANALYZE t"
    )
    found = generated_of(answers_for(connection, "t")[1])
    assert found[LOOKUP].params == (RangeParam(range=(-50, 49)),)
    assert found[SCAN].params == (RangeParam(range=(-50, 40)),)
    assert "LIMIT 10" in found[SCAN].sql


def test_a_column_without_values_is_left_null_and_never_changed(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, void text, full_one text)")
    connection.execute("INSERT INTO t SELECT i, NULL, 'x' FROM generate_series(1, 100) AS i; ANALYZE t")
    found = generated_of(answers_for(connection, "t")[1])
    assert found[INSERT].sql == "INSERT INTO {table} (id, full_one) VALUES ($1, $2)"
    assert "Left NULL: void (no value to sample was found)." in found[INSERT].reasons
    assert "SET full_one = $2" in found[UPDATE].sql


def test_an_empty_table_takes_inserts_where_the_server_gives_every_value(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())")
    _, answers = answers_for(connection, "t")
    assert generated_of(answers)[INSERT].sql == "INSERT INTO {table} DEFAULT VALUES"
    assert "the table is empty" in refused_of(answers)[LOOKUP]
    connection.execute("ALTER TABLE t ADD COLUMN name text NOT NULL")
    _, answers = answers_for(connection, "t")
    assert "column name needs a value, and the table is empty" in refused_of(answers)[INSERT]


@pytest.mark.parametrize(
    ("ddl", "reason"),
    [
        ("CREATE TABLE t (code char(8) PRIMARY KEY)", "no way to make up new values"),
        ("CREATE TABLE t (code varchar(35) PRIMARY KEY)", "no way to make up new values"),
        ("CREATE TABLE t (day date PRIMARY KEY)", "no way to make up new values"),
        ("CREATE TABLE t (code text PRIMARY KEY CHECK (code LIKE 'A%'))", "no way to make up new values"),
        ("CREATE TABLE t (id int REFERENCES p PRIMARY KEY)", "no way to make up new values"),
        ("CREATE TABLE t (name text NOT NULL); CREATE UNIQUE INDEX u ON t (lower(name))", "is on an expression"),
        ("CREATE TABLE t (a int NOT NULL, b int, FOREIGN KEY (a, b) REFERENCES q)", "refer to public.q together"),
        ("CREATE TABLE t (span int4range, EXCLUDE USING gist (span WITH &&))", "keeps rows apart"),
    ],
    ids=lambda value: value.partition("(")[2][:30] if "TABLE" in value else "",
)
def test_an_insert_that_could_not_succeed_is_refused(connection: Connection, ddl: str, reason: str) -> None:
    connection.execute("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (a int, b int, PRIMARY KEY (a, b))")
    connection.execute("INSERT INTO p VALUES (1); INSERT INTO q VALUES (1, 1)")
    connection.execute(ddl.encode())
    entry = PostgresCatalog(connection).table("t")
    facts = replace(table_facts(connection, entry), has_rows=True, empty_columns=frozenset())
    assert reason in refused_of(generate(entry, facts))[INSERT]


def test_every_unique_index_gets_values_that_no_row_has(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, email text NOT NULL UNIQUE, code uuid UNIQUE, name text)")
    connection.execute(
        "INSERT INTO t SELECT i, 'e' || i, gen_random_uuid(), 'n' FROM generate_series(1, 1000) AS i; ANALYZE t"
    )
    found = generated_of(answers_for(connection, "t")[1])
    values = Values(connection, "t")
    assert [execute(connection, "t", found[INSERT], values) for _ in range(EXECUTIONS)] == [1] * EXECUTIONS
    assert "SET name = $2" in found[UPDATE].sql


def test_an_update_prefers_a_column_in_no_index_and_says_when_there_is_none(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text); CREATE INDEX ON t (a)")
    connection.execute("INSERT INTO t VALUES (1, 'a', 'b')")
    assert "SET b = $2" in generated_of(answers_for(connection, "t")[1])[UPDATE].sql
    connection.execute("CREATE INDEX ON t (b)")
    update = generated_of(answers_for(connection, "t")[1])[UPDATE]
    assert "SET a = $2" in update.sql
    assert "in an index, which every change has to maintain" in update.reasons[-1]
    connection.execute("CREATE TABLE link (a int, b int, PRIMARY KEY (a, b)); INSERT INTO link VALUES (1, 2)")
    assert "no column is free to change" in refused_of(answers_for(connection, "link")[1])[UPDATE]


@pytest.mark.parametrize("preset", [preset for preset in Preset if preset is not Preset.CUSTOM])
def test_the_weights_of_every_preset_add_up_over_what_could_be_generated(
    connection: Connection, preset: Preset
) -> None:
    connection.execute("CREATE TABLE t (id uuid PRIMARY KEY, name text); INSERT INTO t VALUES (gen_random_uuid(), 'n')")
    entry, answers = answers_for(connection, "t")
    operations = checked(scenario_text({"kind": "embedded"}, entry, answers, preset)).scenario.workload.operations
    assert {operation.kind.value for operation in operations} <= {LOOKUP, INSERT, UPDATE}
    assert sum(operation.weight_pct for operation in operations) == 100
    assert all(operation.weight_pct > 0 for operation in operations)


def test_a_preset_of_which_nothing_can_be_generated_is_refused_with_every_reason(connection: Connection) -> None:
    connection.execute("CREATE TABLE base (a int); CREATE VIEW t AS TABLE base")
    entry, answers = answers_for(connection, "t")
    with pytest.raises(ConfigurationError, match=r"no statement of MIXED can be generated for public\.t") as caught:
        scenario_text({"kind": "embedded"}, entry, answers, Preset.MIXED)
    assert [problem.where for problem in caught.value.problems] == [kind.value for kind in OperationKind][:4]
    connection.execute("INSERT INTO base VALUES (1)")
    entry, answers = answers_for(connection, "base")
    with pytest.raises(ConfigurationError) as caught:
        scenario_text({"kind": "embedded"}, entry, answers, Preset.READ_ONLY)
    assert caught.value.hint == "INSERT can be generated: choose another preset than READ_ONLY"


def test_a_name_that_tries_to_end_a_comment_stays_in_it(connection: Connection) -> None:
    connection.execute('CREATE TABLE "a\nname: evil" ("k\n: 1" int PRIMARY KEY, v text)')
    connection.execute("INSERT INTO \"a\nname: evil\" VALUES (1, 'x')")
    entry, answers = answers_for(connection, '"a\nname: evil"')
    scenario = checked(scenario_text({"kind": "embedded"}, entry, answers, Preset.MIXED)).scenario
    assert scenario.name == "generated MIXED"
    assert scenario.target.table == 'public."a\nname: evil"'


def test_a_foreign_table_takes_no_writes_and_is_read_by_a_column_that_is_named(connection: Connection) -> None:
    connection.execute("CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
    connection.execute(
        "CREATE FOREIGN TABLE t (name text, secret text, uid int, gid int, about text, home text, shell text)"
        " SERVER files OPTIONS (filename '/etc/passwd', delimiter ':')"
    )
    _, answers = answers_for(connection, "t")
    assert not generated_of(answers)
    assert "a foreign table has no key" in refused_of(answers)[LOOKUP]
    assert "its rows are in another server" in refused_of(answers)[INSERT]
    found = generated_of(answers_for(connection, "t", "name")[1])
    assert found.keys() == {LOOKUP, SCAN}
    assert execute(connection, "t", found[LOOKUP], Values(connection, "t")) == 1


def test_a_table_that_the_user_may_not_read_is_refused(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE generate_nobody")
    entry = PostgresCatalog(connection).table("t")
    try:
        connection.execute("SET ROLE generate_nobody")
        with pytest.raises(TargetMismatch, match=r"the rows of public\.t cannot be read: permission denied"):
            table_facts(connection, entry)
    finally:
        connection.execute("RESET ROLE; DROP ROLE generate_nobody")
