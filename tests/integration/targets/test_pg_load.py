"""Data sets on a real PostgreSQL: what is loaded, what is refused, and how a load that stopped goes on."""

import secrets
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
import pytest

from upperbound.errors import (
    ConfigurationError,
    DataLoadFailed,
    TargetAuthFailed,
    TargetMismatch,
    TargetUnreachable,
)
from upperbound.scenario.connection_url import split_password
from upperbound.targets.datasets.catalogue import DATA_SETS, find_data_set
from upperbound.targets.datasets.dataset import Recipe, plan_parts
from upperbound.targets.datasets.rows import BINARY_HEADER, BINARY_TRAILER
from upperbound.targets.embedded.binaries import find_binaries
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.pg_connection import ConnInfo
from upperbound.targets.pg_load import LoadOrder, drop_data_set, load_data_set
from upperbound.testing.waiting import until

Rows = list[tuple[Any, ...]]


@dataclass
class Watch:
    """Counts what a load says."""

    plan: tuple[int, int] = (0, 0)
    rows: int = 0
    steps: list[str] = field(default_factory=list)
    stop_after_rows: int | None = None
    """Press Ctrl-C when so many rows have been sent."""

    def planned(self, recipe: Recipe, total_rows: int, loaded_rows: int) -> None:
        self.plan = (total_rows, loaded_rows)

    def loaded(self, rows: int) -> None:
        self.rows += rows
        if self.stop_after_rows is not None and self.rows >= self.stop_after_rows:
            raise KeyboardInterrupt

    def step(self, text: str) -> None:
        self.steps.append(text)


@dataclass(frozen=True)
class Database:
    """A database of the test's own."""

    url: str

    @property
    def info(self) -> ConnInfo:
        return ConnInfo(self.url)

    def ask(self, query: LiteralString) -> Rows:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def load(self, name: str, watch: Watch | None = None, **order: Any) -> Any:
        return load_data_set(self.info, LoadOrder(find_data_set(name), **order), watch or Watch())

    def tables(self) -> set[str]:
        return {
            row[0]
            for row in self.ask(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            )
        }


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with EmbeddedServer(max_connections=40, settings=settings) as server:
        yield server


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[Database]:
    name = f"data_{secrets.token_hex(6)}"
    with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield Database(server.url_with_password(name))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pgbench(database: Database, *arguments: str) -> str:
    program = str(find_binaries().program("pgbench"))
    done = subprocess.run([program, *arguments, database.url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


COLUMNS: LiteralString = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
        a.attstorage, a.attcollation
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relname LIKE 'pgbench_%' AND c.relkind = 'r' AND a.attnum > 0 ORDER BY c.relname, a.attnum
"""
TABLES: LiteralString = """
    SELECT relname, relkind, relpersistence, reloptions FROM pg_class
    WHERE relname LIKE 'pgbench_%' AND relkind IN ('r', 'i', 'v', 'S') ORDER BY 1
"""
KEYS: LiteralString = """
    SELECT conname, contype, conrelid::regclass::text, pg_get_constraintdef(oid), pg_get_indexdef(conindid)
    FROM pg_constraint WHERE conrelid::regclass::text LIKE 'pgbench_%' ORDER BY 1
"""
CONTENTS: tuple[LiteralString, ...] = (
    "SELECT * FROM pgbench_branches ORDER BY bid",
    "SELECT * FROM pgbench_tellers ORDER BY tid",
    "SELECT count(*), min(aid), max(aid), md5(string_agg(a::text, ';' ORDER BY aid)) FROM pgbench_accounts a",
    "SELECT * FROM pgbench_history",
)


def test_tpcb_is_what_pgbench_makes_column_by_column_and_row_by_row(server: EmbeddedServer, database: Database) -> None:
    with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE by_pgbench")
    theirs = Database(server.url_with_password("by_pgbench"))
    pgbench(theirs, "-i", "-q", "-s", "2")

    database.load("tpcb", scale=2)

    for query in (COLUMNS, TABLES, KEYS, *CONTENTS):
        assert database.ask(query) == theirs.ask(query), query
    assert database.ask(COLUMNS)


def test_pgbench_runs_on_tpcb_and_its_sums_agree(database: Database) -> None:
    result = database.load("tpcb", scale=2)
    assert result.tables == {
        "pgbench_history": 0,
        "pgbench_tellers": 20,
        "pgbench_accounts": 200_000,
        "pgbench_branches": 2,
    }

    said = pgbench(database, "-c", "4", "-t", "50")

    assert "scaling factor: 2" in said
    assert "number of failed transactions: 0" in said
    sums = database.ask(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), "
        "(SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), "
        "(SELECT count(*) FROM pgbench_history)"
    )[0]
    assert len(set(sums[:4])) == 1
    assert sums[4] == 200


def test_orders_are_those_of_the_embedded_target(database: Database) -> None:
    for seed in (1, 12_345_678_901_234):
        database.load("orders", seed=seed, drop=True)
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS theirs")
            create_orders(connection, table="public.theirs", seed=seed)
        for difference in ("TABLE orders EXCEPT TABLE theirs", "TABLE theirs EXCEPT TABLE orders"):
            assert database.ask(difference) == []
        columns = "SELECT attname, atttypid, atttypmod, attnotnull FROM pg_attribute WHERE attnum > 0 AND attrelid = "
        assert database.ask(columns + "'orders'::regclass ORDER BY attnum") == database.ask(
            columns + "'theirs'::regclass ORDER BY attnum"
        )
        indexes = database.ask("SELECT tablename, replace(indexdef, tablename, '') FROM pg_indexes")
        ours, other = ({text for table, text in indexes if table == name} for name in ("orders", "theirs"))
        assert ours == other
        assert len(ours) == 3


@pytest.mark.parametrize("name", [data_set.name for data_set in DATA_SETS])
def test_a_data_set_is_loaded_whole_with_keys_and_statistics_and_dropped_without_a_trace(
    database: Database, name: str
) -> None:
    data_set, watch = find_data_set(name), Watch()

    result = database.load(name, watch, jobs=2)

    assert result.tables == data_set.rows(1)
    assert watch.rows == sum(data_set.rows(1).values()) == result.loaded_rows
    assert watch.plan == (watch.rows, 0)
    assert not result.resumed
    facts = database.ask(
        "SELECT relname, EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), reltuples "
        "FROM pg_class c "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'upperbound%'"
    )
    assert {(table, int(rows)) for table, _, rows in facts} == set(data_set.rows(1).items())
    assert all(has_key for table, has_key, _ in facts if table != "pgbench_history")
    assert database.ask("SELECT data_set, scale, seed, finished_at > begun_at FROM upperbound_data") == [
        (name, 1, 1, True)
    ]
    assert "upperbound_data_parts" not in database.tables()

    assert set(drop_data_set(database.info, data_set, "public")) == set(data_set.relations)
    left = database.ask("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert left == []


def test_sequences_and_views_go_on_from_the_rows(database: Database) -> None:
    database.load("ycsb")
    assert database.ask("SELECT nextval('usertable_record')") == [(100_001,)]
    key: LiteralString = "'user' || lpad((n * 2654435761 % 4294967291)::text, 10, '0')"
    query: LiteralString = (
        "SELECT count(*) FROM generate_series(1, 100000::bigint) n JOIN usertable ON ycsb_key = " + key
    )
    assert database.ask(query) == [(100_000,)]
    fields = database.ask("SELECT min(length(field0)), max(length(field9)), count(DISTINCT field5) FROM usertable")
    assert fields == [(100, 100, 100_000)]

    database.load("events")
    assert database.ask(
        "INSERT INTO event_staging (device_id, kind, payload) VALUES (1, 'reading', '{}') RETURNING id"
    ) == [(110_001,)]
    assert database.ask("SELECT archived, count(*) FROM event_feed GROUP BY 1 ORDER BY 1") == [
        (False, 10_001),
        (True, 100_000),
    ]


def test_a_load_that_is_interrupted_goes_on_where_it_stopped(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        database.load("analytics", Watch(stop_after_rows=350_000), seed=9, jobs=2)
    ((done,),) = database.ask("SELECT sum(rows) FROM upperbound_data_parts")
    assert 0 < done < 1_001_100
    assert database.ask("SELECT finished_at FROM upperbound_data") == [(None,)]

    watch = Watch()
    result = database.load("analytics", watch, jobs=3)

    assert (watch.plan, watch.rows) == ((1_001_100, done), 1_001_100 - done)
    assert (result.resumed, result.recipe, result.loaded_rows) == (True, Recipe(1, 9), 1_001_100 - done)
    resumed = database.ask("SELECT count(DISTINCT sale_id), sum(amount), sum(product_id) FROM sales")
    database.load("analytics", seed=9, drop=True)
    assert database.ask("SELECT count(DISTINCT sale_id), sum(amount), sum(product_id) FROM sales") == resumed


def test_a_part_that_a_killed_load_is_just_committing_is_not_loaded_again(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        database.load("tpcb", Watch(stop_after_rows=100_000), scale=3, jobs=1)
    done = {number for step, number in database.ask("SELECT step, number FROM upperbound_data_parts") if "acc" in step}
    data_set = find_data_set("tpcb")
    part = next(
        part
        for part in plan_parts(data_set.tables, 3)
        if part.table.name == "pgbench_accounts" and part.number not in done
    )
    found: list[Any] = []
    goes_on = threading.Thread(target=lambda: found.append(database.load("tpcb", jobs=2)), daemon=True)
    with psycopg.connect(database.url) as leftover:
        leftover.execute("INSERT INTO upperbound_data_parts VALUES ('tpcb', %s, %s, %s)", [*part.key, len(part.rows)])
        with leftover.cursor().copy("COPY pgbench_accounts FROM STDIN (FORMAT binary)") as copy:
            copy.write(BINARY_HEADER)
            copy.write(part.table.make(Recipe(3, 1), part.rows))
            copy.write(BINARY_TRAILER)
        goes_on.start()
        waiting: LiteralString = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
            "AND query LIKE 'INSERT INTO upperbound_data_parts%'"
        )
        until(lambda: database.ask(waiting) == [(1,)], "the load waits for the part that is not committed yet")
        leftover.commit()
    goes_on.join(60)

    assert found[0].tables["pgbench_accounts"] == 300_000
    assert database.ask("SELECT count(*), count(DISTINCT aid) FROM pgbench_accounts") == [(300_000, 300_000)]


def test_a_load_that_stops_after_its_rows_makes_the_keys_that_are_missing(database: Database) -> None:
    class StopAtKeys(Watch):
        def step(self, text: str) -> None:
            super().step(text)
            if text.startswith("vacuuming"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.load("tpcb", StopAtKeys())
    watch = Watch()
    assert database.load("tpcb", watch).tables["pgbench_accounts"] == 100_000
    assert watch.rows == 0
    assert (
        len(database.ask("SELECT 1 FROM pg_constraint WHERE contype = 'p' AND conrelid::regclass::text ~ 'pgbench'"))
        == 3
    )


def test_tables_that_another_made_are_refused_and_replaced_on_request_only(database: Database) -> None:
    database.ask("CREATE TABLE orders (mine text)")
    with pytest.raises(ConfigurationError, match=r"schema public has orders already.*--drop"):
        database.load("orders")
    with pytest.raises(ConfigurationError, match="orders came there in another way"):
        drop_data_set(database.info, find_data_set("orders"), "public")
    assert database.ask("SELECT * FROM orders") == []
    assert database.tables() == {"orders"}

    database.load("orders", drop=True)
    assert database.ask("SELECT count(*) FROM orders") == [(100_000,)]
    with pytest.raises(ConfigurationError, match=r"is in schema public already, at scale 1 with seed 1.*--drop"):
        database.load("orders")


def test_a_load_that_was_begun_is_not_mixed_with_another_scale_or_seed(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        database.load("tpcb", Watch(stop_after_rows=100_000), scale=3, seed=2)
    for scale, seed in ((4, None), (None, 3), (1, 2)):
        with pytest.raises(ConfigurationError, match="was begun at scale 3 with seed 2"):
            database.load("tpcb", scale=scale, seed=seed)
    database.ask("DROP TABLE pgbench_accounts")
    with pytest.raises(ConfigurationError, match="since then pgbench_accounts went away"):
        database.load("tpcb")
    assert database.load("tpcb", scale=1, drop=True).recipe == Recipe(1, 1)


def test_rows_that_another_adds_are_noticed(database: Database) -> None:
    class AddOne(Watch):
        def step(self, text: str) -> None:
            if text == "counting rows":
                database.ask("INSERT INTO pgbench_history (tid) VALUES (1)")

    with pytest.raises(DataLoadFailed, match="pgbench_history holds 1 rows and not 0"):
        database.load("tpcb", AddOne())
    assert database.ask("SELECT finished_at FROM upperbound_data") == [(None,)]


def test_a_schema_is_made_when_it_is_not_there_and_names_are_taken_as_they_are(database: Database) -> None:
    database.load("tpcb", schema='Bench "1"')
    assert database.ask('SELECT count(*) FROM "Bench ""1""".pgbench_accounts') == [(100_000,)]
    assert database.tables() == set()
    with pytest.raises(ConfigurationError, match="no data set tpcb was loaded into schema public"):
        drop_data_set(database.info, find_data_set("tpcb"), "public")
    drop_data_set(database.info, find_data_set("tpcb"), 'Bench "1"')
    assert database.ask("SELECT relname FROM pg_class WHERE relname LIKE 'pgbench%'") == []


def test_what_depends_on_the_tables_keeps_them(database: Database) -> None:
    database.load("orders")
    database.ask("CREATE VIEW mine AS SELECT id FROM orders")
    with pytest.raises(ConfigurationError, match=r"cannot be dropped.*view mine depends on table orders"):
        drop_data_set(database.info, find_data_set("orders"), "public")
    assert database.ask("SELECT count(*) FROM mine") == [(100_000,)]


def test_a_user_who_may_not_create_tables_is_told_so(database: Database) -> None:
    role = f"guest_{secrets.token_hex(4)}"
    with psycopg.connect(database.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'guest'".encode())
    try:
        split = split_password(database.url)
        url = split.url.replace("postgres@", f"{role}:guest@")
        with pytest.raises(TargetMismatch, match=r"permission denied for schema public.*grant the user CREATE"):
            load_data_set(ConnInfo(url), LoadOrder(find_data_set("tpcb")), Watch())
        assert database.tables() == set()
        wrong = ConnInfo(url.replace(":guest@", ":wrong@"))
        with pytest.raises(TargetAuthFailed):
            load_data_set(wrong, LoadOrder(find_data_set("tpcb")), Watch())
    finally:
        with psycopg.connect(database.url, autocommit=True) as admin:
            admin.execute(f"DROP ROLE {role}".encode())


def test_a_connection_that_breaks_leaves_a_load_that_goes_on(database: Database) -> None:
    class Cut(Watch):
        cut = False

        def loaded(self, rows: int) -> None:
            super().loaded(rows)
            if self.rows > 200_000 and not self.cut:
                self.cut = True
                database.ask(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND query LIKE 'COPY%'"
                )

    with pytest.raises(TargetUnreachable, match=r"broke.*the same command goes on"):
        database.load("analytics", Cut(), jobs=2)
    assert database.load("analytics").tables["sales"] == 1_000_000


def test_a_scale_that_a_data_set_cannot_have_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigurationError, match="the scale is 1 to 20,000"):
        load_data_set(
            ConnInfo("postgresql://nobody@127.0.0.1:1/x"), LoadOrder(find_data_set("ycsb"), scale=20_001), Watch()
        )
