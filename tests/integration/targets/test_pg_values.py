"""Encoded parameters arrive as what they were, statements are described, and columns are sampled."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import pq
from tests.integration.targets.sampled import sample_pool

from upperbound.errors import EmbeddedServerError, TargetMismatch
from upperbound.targets import pg_sampling
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import Values, pg_type
from upperbound.targets.postgres import ConnInfo, column_type, describe, max_value, open_connection


@pytest.fixture
def connection(fresh_database: str) -> Iterator[Connection]:
    with open_connection(ConnInfo(fresh_database)) as opened:
        yield opened


@pytest.fixture
def orders(connection: Connection) -> Connection:
    create_orders(connection, rows=2_000, seed=7)
    return connection


def round_trip(connection: Connection, type_name: str, values: Values) -> list[str | None]:
    """Send values as parameters; return what the server reads, as its own text."""
    statement = f"SELECT ($1::{type_name})::text"
    (shape,) = describe(connection, [statement])
    target = pg_type(shape.param_oids[0])
    pgconn, found = connection.pgconn, []
    for value in target.encode(values):
        result = pgconn.exec_params(statement.encode(), [value], param_formats=[target.format])
        assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
        got = result.get_value(0, 0)
        found.append(None if got is None else got.decode())
    return found


@pytest.mark.parametrize(
    ("type_name", "values", "expected"),
    [
        ("smallint", [-32768, None, 32767], ["-32768", None, "32767"]),
        ("integer", [-(2**31), 2**31 - 1], ["-2147483648", "2147483647"]),
        ("bigint", [-(2**63), 2**63 - 1], ["-9223372036854775808", "9223372036854775807"]),
        ("oid", [2**32 - 1], ["4294967295"]),
        ("real", [1.5, 2], ["1.5", "2"]),
        ("double precision", [0.1, 3], ["0.1", "3"]),
        ("numeric", [1, 0.1, "123456789012345678901234567890.5"], ["1", "0.1", "123456789012345678901234567890.5"]),
        ("text", ["Ünïcode ✓", "", None], ["Ünïcode ✓", "", None]),
        ("varchar(5)", ["abc"], ["abc"]),
        ("char(5)", ["abc"], ["abc"]),
        ("name", ["abc"], ["abc"]),
        ("boolean", [True, False], ["true", "false"]),
        ("uuid", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        ("date", ["2024-02-29"], ["2024-02-29"]),
        ("timestamp", ["2024-02-29 12:00:00.123456"], ["2024-02-29 12:00:00.123456"]),
        ("timestamptz", ["2024-02-29 12:00:00+02"], ["2024-02-29 10:00:00+00"]),
        ("jsonb", ['{"b": [1, 2]}', 3, True], ['{"b": [1, 2]}', "3", "true"]),
        ("integer[]", ["{1,2,NULL}"], ["{1,2,NULL}"]),
        ("interval", ["1 day"], ["1 day"]),
        ("inet", ["10.0.0.1"], ["10.0.0.1/32"]),
        ("bytea", ["\\xdead"], ["\\xdead"]),
    ],
)
def test_values_arrive_as_they_were(connection: Connection, type_name: str, values: Any, expected: Any) -> None:
    assert round_trip(connection, type_name, values) == expected


@pytest.mark.parametrize("type_name", ["smallint", "integer", "bigint", "real", "double precision", "numeric"])
def test_arrays_of_integers_arrive_as_they_were(connection: Connection, type_name: str) -> None:
    values = np.array([-32768, -1, 0, 1, 32767], dtype=np.int64)
    assert round_trip(connection, type_name, values) == [str(value) for value in values.tolist()]


def test_values_of_a_type_made_by_a_user_are_sent_as_text(connection: Connection) -> None:
    connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    assert round_trip(connection, "mood", ["happy"]) == ["happy"]


def test_describe_gives_types_and_executes_nothing(orders: Connection) -> None:
    shapes = describe(
        orders, ["INSERT INTO orders (id, customer_id, status) VALUES ($1, $2, $3)", "SELECT id, note FROM orders"]
    )
    assert shapes[0].param_oids == (20, 23, 25)
    assert shapes[0].result_columns == ()
    assert shapes[1].result_columns == (("id", 20), ("note", 25))
    assert orders.execute("SELECT count(*) FROM orders").fetchone() == (2_000,)
    assert orders.info.transaction_status == pq.TransactionStatus.IDLE


def test_describe_tells_all_problems_with_their_places(orders: Connection) -> None:
    statements = ["/* UB_KIND=X */ SELECT * FORM orders", "SELECT 1", "SELECT idd FROM orders", "SELECT * FROM ordrs"]
    with pytest.raises(TargetMismatch) as caught:
        describe(orders, statements, ["first", "second", "third", "fourth"])
    problems = {problem.where: problem for problem in caught.value.problems}
    assert set(problems) == {"first", "third", "fourth"}
    assert 'syntax error at or near "FORM" at character 10: FORM orders' in problems["first"].message
    assert 'column "idd" does not exist at character 8' in problems["third"].message
    assert "orders.id" in problems["third"].hint
    assert 'relation "ordrs" does not exist' in problems["fourth"].message


def test_the_orders_are_the_same_for_the_same_seed(orders: Connection) -> None:
    digest = "SELECT md5(string_agg(o::text, E'\\n' ORDER BY id)) FROM {} o"
    create_orders(orders, table="other.again", rows=2_000, seed=7)
    create_orders(orders, table="differs", rows=2_000, seed=8)
    first, again, differs = (
        orders.execute(digest.format(table)).fetchone() for table in ("orders", "other.again", "differs")
    )
    assert first == again != differs


def test_the_orders_have_key_indexes_statistics_and_a_spread(orders: Connection) -> None:
    row = orders.execute(
        "SELECT count(*), min(id), max(id), count(DISTINCT customer_id), count(DISTINCT status),"
        " count(*) FILTER (WHERE note IS NULL) FROM orders"
    ).fetchone()
    assert row is not None
    count, lowest, highest, customers, states, without_note = row
    assert (count, lowest, highest, states) == (2_000, 1, 2_000, 5)
    assert 90 <= customers <= 100
    assert 400 < without_note < 600
    assert orders.execute("SELECT reltuples::int FROM pg_class WHERE relname = 'orders'").fetchone() == (2_000,)
    assert orders.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'orders'").fetchone() == (3,)
    assert orders.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'orders'").fetchone() == (6,)


def test_a_table_that_is_there_already_is_not_filled_twice(orders: Connection) -> None:
    with pytest.raises(EmbeddedServerError, match="already exists"):
        create_orders(orders, rows=10)
    assert orders.execute("SELECT count(*) FROM orders").fetchone() == (2_000,)


def test_one_row_is_enough(connection: Connection) -> None:
    create_orders(connection, rows=1)
    assert connection.execute("SELECT id, customer_id FROM orders").fetchall() == [(1, 1)]


@pytest.mark.parametrize("column", ["id", "customer_id", "status", "amount", "created_at", "note"])
def test_every_worker_gets_the_same_distinct_values_in_the_same_order(
    orders: Connection, fresh_database: str, column: str
) -> None:
    values = sample_pool(orders, "public.orders", column, 500, seed=3)
    with open_connection(ConnInfo(fresh_database)) as other:
        assert sample_pool(other, "public.orders", column, 500, seed=3) == values
    assert len(set(values)) == len(values) > 0
    assert None not in values
    if len(values) == 500:
        assert sample_pool(orders, "public.orders", column, 500, seed=4) != values
    target = pg_type(column_type(orders, "orders", column))
    assert None not in list(target.encode(values))


def test_a_pool_holds_all_values_when_the_limit_allows(orders: Connection) -> None:
    assert sorted(sample_pool(orders, "orders", "id", 5_000, seed=2**63 + 5)) == list(range(1, 2_001))


def test_a_large_table_is_sampled_by_page_and_still_alike(orders: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_sampling, "SAMPLE_ROWS_MIN", 100)
    values = sample_pool(orders, "orders", "id", 20, seed=5)
    assert sample_pool(orders, "orders", "id", 20, seed=5) == values
    assert len(set(values)) == 20
    assert pg_sampling._share_pct(orders, "orders", 20) == 25.0


def test_an_estimate_that_is_far_off_does_not_empty_the_pool(
    orders: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pg_sampling, "_share_pct", lambda *_: 1e-9)
    assert len(sample_pool(orders, "orders", "id", 20, seed=5)) == 20


def test_views_and_partitioned_tables_are_sampled_too(orders: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    orders.execute("CREATE VIEW recent AS SELECT id FROM orders WHERE id > 1990")
    assert sorted(sample_pool(orders, "recent", "id", 100, seed=1)) == list(range(1991, 2001))
    orders.execute("CREATE TABLE parted (id int) PARTITION BY RANGE (id)")
    orders.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000)")
    orders.execute("CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (9000)")
    orders.execute("INSERT INTO parted SELECT generate_series(1, 8000)")
    monkeypatch.setattr(pg_sampling, "SAMPLE_ROWS_MIN", 100)
    share_pct = pg_sampling._share_pct(orders, "parted", 10)
    assert share_pct is not None
    assert len(sample_pool(orders, "parted", "id", 10, seed=1)) == 10


def test_odd_names_and_types_are_sampled(connection: Connection) -> None:
    connection.execute('CREATE SCHEMA "Odd one"')
    connection.execute('CREATE TABLE "Odd one"."Ta""ble" ("The id" json, "u" uuid, "d" timestamp, "e" int[])')
    connection.execute(
        'INSERT INTO "Odd one"."Ta""ble" VALUES (\'{"a": 1}\', gen_random_uuid(), \'infinity\', \'{1}\'),'
        " (NULL, NULL, NULL, NULL)"
    )
    table = '"Odd one"."Ta""ble"'
    assert sample_pool(connection, table, '"The id"', 5, 1) == ['{"a": 1}']
    assert len(sample_pool(connection, table, "u", 5, 1)) == 1
    assert sample_pool(connection, table, "d", 5, 1) == ["infinity"]
    assert sample_pool(connection, table, "e", 5, 1) == ["{1}"]


def test_a_column_without_values_gives_an_empty_pool(orders: Connection) -> None:
    orders.execute("CREATE TABLE bare (id int)")
    assert sample_pool(orders, "bare", "id", 10, 1) == []
    assert max_value(orders, "bare", "id") == 0


def test_the_highest_value_is_an_integer_columns(orders: Connection) -> None:
    assert max_value(orders, "public.orders", "id") == 2_000
    with pytest.raises(TargetMismatch, match="holds text, not whole numbers"):
        max_value(orders, "orders", "status")


@pytest.mark.parametrize(("table", "column"), [("absent", "id"), ("orders", "absent")])
def test_what_is_not_there_is_a_mismatch(orders: Connection, table: str, column: str) -> None:
    with pytest.raises(TargetMismatch, match="does not exist"):
        sample_pool(orders, table, column, 10, 1)
    with pytest.raises(TargetMismatch, match="does not exist"):
        max_value(orders, table, column)


def test_a_lost_connection_is_no_mismatch(orders: Connection, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [orders.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        describe(orders, ["SELECT 1"])
