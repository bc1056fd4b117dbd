"""The catalog tells a table that was changed from one that was made or written anew, and one database from another."""

from collections.abc import Iterator

import psycopg
import pytest
from tests.integration.targets.sampled import sample_pool

from upperbound.domain.value_blocks import ValueEncoding
from upperbound.domain.value_pools import table_change
from upperbound.errors import TargetMismatch
from upperbound.targets import pg_sampling
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_table_state import table_state, target_identity
from upperbound.targets.postgres import ConnInfo, open_connection, sample_blocks


@pytest.fixture
def connection(fresh_database: str) -> Iterator[Connection]:
    with open_connection(ConnInfo(fresh_database)) as opened:
        opened.execute("CREATE TABLE t AS SELECT i AS id, repeat('x', 50) AS text FROM generate_series(1, 10000) AS i")
        opened.execute("ANALYZE t")
        yield opened


def rows(connection: Connection, table: str) -> float:
    found = table_state(connection, table).rows
    assert found is not None
    return found


def test_rows_are_estimated_from_the_present_size_and_need_no_new_statistics(connection: Connection) -> None:
    assert rows(connection, "t") == pytest.approx(10_000, rel=0.01)
    before = table_state(connection, "t")
    connection.execute("INSERT INTO t SELECT i, repeat('x', 50) FROM generate_series(1, 5000) AS i")
    assert rows(connection, "t") == pytest.approx(15_000, rel=0.15), "some of them go into pages that were there"
    assert "% more rows" in table_change(before, table_state(connection, "t"))


def test_a_table_without_statistics_is_guessed_by_its_size(connection: Connection) -> None:
    connection.execute("CREATE TABLE fresh (LIKE t); INSERT INTO fresh SELECT * FROM t")
    assert 1_000 < rows(connection, "fresh") < 100_000


def test_a_partitioned_table_is_what_its_partitions_are(connection: Connection) -> None:
    connection.execute("CREATE TABLE p (id int) PARTITION BY RANGE (id)")
    for first in (0, 1_000, 2_000):
        connection.execute(
            f"CREATE TABLE p{first} PARTITION OF p FOR VALUES FROM ({first}) TO ({first + 1000})".encode()
        )
    connection.execute("INSERT INTO p SELECT generate_series(0, 2999); ANALYZE p")
    assert rows(connection, "p") == pytest.approx(3_000, rel=0.01)
    assert table_state(connection, "p").storage_id is None


def test_views_have_no_estimate_and_materialized_ones_do(connection: Connection) -> None:
    connection.execute("CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t; ANALYZE m")
    assert table_state(connection, "v").rows is None
    before = table_state(connection, "m")
    assert before.rows == pytest.approx(10_000, rel=0.01)
    connection.execute("REFRESH MATERIALIZED VIEW m")
    assert "was written anew" in table_change(before, table_state(connection, "m"))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE t SET text = 'y' WHERE id % 10 = 0", ""),
        ("CREATE INDEX ON t (id)", ""),
        ("ALTER TABLE t ADD COLUMN more int", ""),
        ("TRUNCATE t", "was written anew"),
        ("VACUUM FULL t", "was written anew"),
        ("ALTER TABLE t RENAME TO old; CREATE TABLE t (LIKE old)", "was dropped and made anew"),
    ],
)
def test_what_is_done_to_a_table_is_told_apart(connection: Connection, statement: str, said: str) -> None:
    before = table_state(connection, "t")
    connection.execute(statement.encode())
    change = table_change(before, table_state(connection, "t"))
    assert change.startswith(said)
    assert bool(change) == bool(said)


def test_a_table_that_is_not_there_is_a_mismatch(connection: Connection) -> None:
    with pytest.raises(TargetMismatch, match='relation "absent" does not exist'):
        table_state(connection, "absent")


def test_a_database_has_one_identity_under_every_address_and_another_has_another(
    connection: Connection, fresh_database: str, embedded_server: EmbeddedServer
) -> None:
    info = ConnInfo(fresh_database)
    here = target_identity(connection, info)
    name = fresh_database.rpartition("/")[2]
    assert here.shown == f"127.0.0.1:{embedded_server.port}/{name}"
    socket = ConnInfo(f"postgresql://postgres@/{name}?host={embedded_server.socket_dir}&port={embedded_server.port}")
    with open_connection(ConnInfo(socket.url, embedded_server.password)) as other_way:
        assert target_identity(other_way, socket).key == here.key
    with open_connection(ConnInfo(embedded_server.url, embedded_server.password)) as other:
        assert target_identity(other, ConnInfo(embedded_server.url)).key != here.key


def test_a_server_that_does_not_tell_its_name_is_known_by_its_address(
    connection: Connection, fresh_database: str
) -> None:
    connection.execute(
        "CREATE SCHEMA mine; CREATE FUNCTION mine.pg_control_system() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    connection.execute("SET search_path = mine, pg_catalog")
    identity = target_identity(connection, ConnInfo(fresh_database))
    assert identity.key == identity.shown


# Sampling


def test_values_come_in_blocks_and_the_first_is_small(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_sampling, "BLOCK_VALUES", 4_000)
    blocks = list(sample_blocks(connection, "t", "id", 9_000, seed=1))
    assert [block.count for block in blocks] == [100, 4_000, 4_000, 900]
    assert {block.encoding for block in blocks} == {ValueEncoding.INTEGER}
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_smaller_limit_takes_the_first_values_of_a_larger_one(connection: Connection) -> None:
    many = sample_pool(connection, "t", "id", 5_000, seed=3)
    assert sample_pool(connection, "t", "id", 77, seed=3) == many[:77]


def test_a_sampling_that_is_given_up_leaves_the_connection_usable(connection: Connection) -> None:
    blocks = sample_blocks(connection, "t", "id", 9_000, seed=1)
    next(blocks)
    blocks.close()
    assert sample_pool(connection, "t", "text", 5, seed=1) == ["x" * 50]
