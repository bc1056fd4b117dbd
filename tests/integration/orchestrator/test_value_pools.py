"""Values go from a real table through the store into workers as they were, and what is prepared outlives its table."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg import pq
from pydantic import SecretStr
from tests.integration.orchestrator.conftest import Bench

from upperbound.domain.run_state import RunStatus
from upperbound.domain.value_pools import PoolNeed, PoolState
from upperbound.errors import StoreError, TargetMismatch, TargetUnreachable
from upperbound.orchestrator import pool_sampling
from upperbound.orchestrator.service import RunRequest
from upperbound.orchestrator.value_pools import PoolOrder, choose_pools, prepare_template
from upperbound.planning.pool_values import load_pools
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import RunRow
from upperbound.store.templates import TemplateRef
from upperbound.store.value_pools import PoolRow
from upperbound.targets import pg_sampling
from upperbound.targets.postgres import ConnInfo, open_connection
from upperbound.testing.waiting import until
from upperbound.worker.preparation import prepare

ROWS = 3_000
DDL = f"""
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy');
    CREATE DOMAIN code AS integer CHECK (VALUE > 0);
    CREATE TABLE things (
        id bigint PRIMARY KEY, small smallint, code code, word text, short varchar(40), key uuid, at timestamp,
        atz timestamptz, day date, price numeric(12, 3), ratio float8, share real, yes boolean, doc jsonb, mood mood,
        "Odd ""name" text, empty text, ranges int4range, bytes bytea
    );
    INSERT INTO things SELECT i * 3000000007, i % 100, i, CASE WHEN i % 7 = 0 THEN '' ELSE E'wörd "\\n' || i END,
        'v' || i, gen_random_uuid(), TIMESTAMP '2026-01-01 00:00:00.123456' + i * interval '1 hour 1 microsecond',
        TIMESTAMPTZ '2026-01-01 00:00:00+02' + i * interval '1 hour', DATE '2026-01-01' + i, i / 8.0, i / 3.0, i / 7.0,
        i % 2 = 0, jsonb_build_object('n', i, 't', 'a b'), (ARRAY['sad', 'so so', 'happy'])[1 + i % 3]::mood,
        'odd' || i, NULL, int4range(i, i + 5), decode(lpad(to_hex(i), 6, '0'), 'hex')
    FROM generate_series(1, {ROWS}) AS i;
    ANALYZE things;
"""
COLUMNS = {
    "id": "bigint",
    "small": "smallint",
    "code": "integer",
    "word": "text",
    "short": "varchar",
    "key": "uuid",
    "at": "timestamp",
    "atz": "timestamptz",
    "day": "date",
    "price": "numeric",
    "ratio": "float8",
    "share": "real",
    "yes": "boolean",
    "doc": "jsonb",
    "mood": "mood",
    '"Odd ""name"': "text",
    "ranges": "int4range",
    "bytes": "bytea",
}
"""Columns as they are written in a scenario, and the types of the parameters that take their values."""


@dataclass
class Told:
    """A watcher that remembers."""

    said: list[tuple[str, int]] = field(default_factory=list)

    def planned(self, table: str, needs: Sequence[PoolNeed]) -> None:
        self.said += [(need.column, need.limit) for need in needs]

    def begun(self, need: PoolNeed) -> None:
        self.said.append((need.column, 0))

    def sampled(self, need: PoolNeed, values: int) -> None:
        self.said.append((need.column, values))

    def done(self, need: PoolNeed) -> None:
        self.said.append((f"{need.column} done", 0))


class Place:
    """A store, a database with the table ``things``, and a template on it."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.target = store, ConnInfo(url)
        self.template: TemplateRef | None = None

    def execute(self, statement: str) -> None:
        with open_connection(self.target) as connection:
            connection.execute(statement.encode())

    def column(self, text: str, where: str = "true") -> set[str]:
        """Return the values of an expression over the table, as text."""
        with open_connection(self.target) as connection:
            query = f"SELECT DISTINCT ({text})::text FROM things WHERE ({text}) IS NOT NULL AND {where}"
            return {row[0] for row in connection.execute(query.encode()).fetchall()}

    def scenario(self, casts: Sequence[str], *params: dict[str, Any], **changes: Any) -> Scenario:
        sql = "SELECT " + ", ".join(f"(${place}::{cast})::text" for place, cast in enumerate(casts, 1))
        operation = {"kind": "GENERIC_SQL", "operation_type": "READ", "weight_pct": 100, "sql": sql, "params": params}
        return Scenario.model_validate(
            {
                "name": "things",
                "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/d", "table": "things"},
                "load": {"threads": 8, "duration_seconds": 1},
                "workload": {"operations": [operation]},
                **changes,
            }
        )

    def order(self, scenario: Scenario, *, prepared: bool = True, seed: int = 5) -> PoolOrder:
        """Ask for pools for the template, which is made or saved anew, or for a scenario that is none."""
        if prepared:
            self.template = self._save(scenario)
        return PoolOrder(scenario, self.template if prepared else None, self.target, seed=seed, sampled_by="ada")

    def _save(self, scenario: Scenario) -> TemplateRef:
        templates = self.store.templates
        if self.template is None:
            row = templates.create(scenario, saved_by="ada")
        else:
            base = self.template.version
            row = templates.save(self.template.template_id, scenario, base_version=base, saved_by="ada")
        return TemplateRef(row.template_id, row.latest_version)

    def ready(self) -> list[PoolRow]:
        assert self.template is not None
        return self.store.value_pools.of_template(self.template.template_id)

    def arrived(
        self, scenario: Scenario, pools: Sequence[PoolRow], *, group: int = 0, thread: int = 0, rows: int = 2_000
    ) -> list[tuple[str | None, ...]]:
        """Return what the server makes of the parameters of a thread; its worker loads them from the store."""
        config = RunConfig(
            scenario=scenario,
            threads=(4, 4),
            seed=1,
            target_url="postgresql://127.0.0.1/d",
            table="things",
            upperbound_version="test",
        )
        loaded = load_pools(self.store.value_pools, pools)
        prepared = prepare(config, self.target, group_id=group, group_count=2, pools=loaded)
        (statement,) = prepared.operations[0].statements
        found = []
        with prepared.connect() as connection:
            for row in itertools.islice(prepared.stream(thread).rows[0], rows):
                result = connection.pgconn.exec_prepared(statement.name, cast("Any", row), statement.param_formats)
                assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
                values = [result.get_value(0, place) for place in range(result.nfields)]
                found.append(tuple(None if value is None else value.decode() for value in values))
        return found


@pytest.fixture
def place(fresh_database: str, tmp_path: Path) -> Iterator[Place]:
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        made = Place(store, fresh_database)
        made.execute(DDL)
        yield made


# Values


def test_values_of_every_type_arrive_in_workers_as_they_stand_in_the_table(place: Place) -> None:
    params = [{"zipf": {"pool": column, "exponent": 0.1}} for column in COLUMNS]
    scenario = place.scenario(list(COLUMNS.values()), *params)
    pools = prepare_template(place.store, place.order(scenario))
    assert len(pools) == len(COLUMNS)
    arrived = place.arrived(scenario, pools)
    for number, (column, kind) in enumerate(COLUMNS.items()):
        there = place.column(f"{column}::{kind}")
        found = {row[number] for row in arrived}
        assert found <= there, column
        assert len(found) > min(500, 0.6 * len(there)), column
        (pool,) = [pool for pool in pools if pool.column == column.strip('"').replace('""', '"')]
        assert pool.value_count == len(there), column


def test_values_arrive_in_arrays_of_every_type_too(place: Place) -> None:
    params = [{"list": {"pool": column}, "size": [1, 3]} for column in COLUMNS]
    scenario = place.scenario([f"{kind}[]" for kind in COLUMNS.values()], *params)
    pools = prepare_template(place.store, place.order(scenario))
    arrived = place.arrived(scenario, pools, rows=200)
    with open_connection(place.target) as connection:
        for number, (column, kind) in enumerate(COLUMNS.items()):
            query = f"SELECT DISTINCT x::text FROM unnest(%s::text[]) AS a, unnest(a::{kind}[]) AS x"
            found = connection.execute(query.encode(), [[row[number] for row in arrived]]).fetchall()
            assert {row[0] for row in found} <= place.column(f"{column}::{kind}"), column
            assert len(found) > 1


def test_all_workers_have_the_same_values_in_the_same_order_and_threads_share_them_out(place: Place) -> None:
    scenario = place.scenario(["bigint", "text"], {"pool": "id"}, {"pool": "short"})
    pools = prepare_template(place.store, place.order(scenario))
    first, second = (load_pools(place.store.value_pools, pools) for _ in range(2))
    assert (numbers := first.numbers("id", ROWS)) is not None
    assert numbers.tolist() == cast("Any", second.numbers("id", ROWS)).tolist()
    assert sorted(numbers.tolist()) == [i * 3_000_000_007 for i in range(1, ROWS + 1)]
    assert numbers.tolist() != sorted(numbers.tolist())
    seen: list[set[str | None]] = []
    for group, thread in itertools.product(range(2), range(4)):
        rows = place.arrived(scenario, pools, group=group, thread=thread)
        seen += [{row[0] for row in rows}, {row[1] for row in rows}]
        assert {row[0] for row in place.arrived(scenario, pools, group=group, thread=thread)} == seen[-2]
    for column in (0, 1):
        shares = seen[column::2]
        assert sum(map(len, shares)) == len(set.union(*shares)), "no value is in two shares"
        assert all(len(share) > 0.9 * ROWS / 8 for share in shares)


def test_parameters_of_one_column_share_a_pool_and_each_takes_as_many_as_it_asks_for(place: Place) -> None:
    scenario = place.scenario(
        ["bigint", "bigint", "text[]"],
        {"zipf": {"pool": "ID", "limit": 20}},
        {"hot_set": {"pool": '"id"', "limit": 600}},
        {"list": {"pool": "word", "limit": 30}, "size": 2},
    )
    told = Told()
    pools = prepare_template(place.store, place.order(scenario), told)
    assert [(pool.column, pool.limit, pool.value_count) for pool in pools] == [("id", 600, 600), ("word", 30, 30)]
    assert told.said[:3] == [("id", 600), ("word", 30), ("id", 0)]
    assert sum(values for column, values in told.said[3:] if column == "id") == 600
    assert told.said[-1] == ("word done", 0)
    arrived = place.arrived(scenario, pools)
    few, many = ({row[column] for row in arrived} for column in (0, 1))
    loaded = load_pools(place.store.value_pools, pools).numbers("id", ROWS)
    assert loaded is not None
    assert few <= set(map(str, loaded[:20].tolist()))
    assert len(many) > 300


def test_a_pool_of_a_few_values_is_everybodys(place: Place) -> None:
    scenario = place.scenario(["mood", "boolean"], {"pool": "mood"}, {"pool": "yes"})
    pools = prepare_template(place.store, place.order(scenario))
    for group, thread in itertools.product(range(2), range(4)):
        rows = place.arrived(scenario, pools, group=group, thread=thread, rows=200)
        assert {row[0] for row in rows} == {"sad", "so so", "happy"}
        assert {row[1] for row in rows} == {"true", "false"}


def test_large_values_come_in_small_chunks_and_whole(place: Place) -> None:
    place.execute("UPDATE things SET word = repeat(id::text, 30000) WHERE code <= 30")
    scenario = place.scenario(["text"], {"pool": "word"})
    pools = prepare_template(place.store, place.order(scenario))
    blocks = list(place.store.value_pools.blocks(pools[0]))
    assert max(len(block.memory) for block in blocks) < 2 * pg_sampling.BLOCK_BYTES + 100 * 400_000
    assert sum(block.memory.count(b"0" * 6) > 0 for block in blocks) >= 1
    assert {row[0] for row in place.arrived(scenario, pools, rows=600)} <= place.column("word")


def test_a_pool_beyond_what_workers_may_hold_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_sampling, "POOL_BYTES_MAX", 2**20)
    place.execute("UPDATE things SET word = repeat(id::text, 100)")
    with pytest.raises(TargetMismatch, match="column word is larger than the 1 MiB that pools may have") as caught:
        prepare_template(place.store, place.order(place.scenario(["text"], {"pool": "word"})))
    assert "set the limit of its parameters to" in caught.value.hint


# What is prepared, and what becomes of it


def test_what_is_prepared_serves_when_the_table_has_changed_and_it_is_said(place: Place) -> None:
    scenario = place.scenario(["bigint"], {"pool": "id"})
    order = place.order(scenario)
    prepared = prepare_template(place.store, order)
    assert choose_pools(place.store, order).notes == ()
    before = place.column("id")
    place.execute("UPDATE things SET id = -id; ANALYZE things")
    chosen = choose_pools(place.store, order)
    assert [pool.pool_id for pool in chosen.pools] == [pool.pool_id for pool in prepared]
    assert {row[0] for row in place.arrived(scenario, chosen.pools)} <= before
    place.execute("INSERT INTO things (id) SELECT generate_series(1, 1000); ANALYZE things")
    (warning,) = choose_pools(place.store, order).warnings
    assert "and things has about 33 % more rows since: `upperbound template prepare things`" in warning
    place.execute("TRUNCATE things")
    assert "and things was written anew, as TRUNCATE" in choose_pools(place.store, order).notes[0]
    place.execute("DROP TABLE things; CREATE TABLE things (id bigint)")
    chosen = choose_pools(place.store, order)
    assert "things was dropped and made anew since" in chosen.notes[0]
    assert {row[0] for row in place.arrived(scenario, chosen.pools)} <= before


def test_preparing_anew_replaces_and_takes_what_the_table_holds_now(place: Place) -> None:
    scenario = place.scenario(["bigint"], {"pool": "id"})
    order = place.order(scenario)
    old = prepare_template(place.store, order)
    place.execute("UPDATE things SET id = -id")
    new = prepare_template(place.store, replace(order, seed=6))
    assert [pool.pool_id for pool in place.ready()] == [pool.pool_id for pool in new]
    assert {row[0] for row in place.arrived(scenario, new)} <= place.column("id")
    assert place.store.value_pools.of_ids([pool.pool_id for pool in old]) == [], "nobody uses them"


def test_needs_that_have_changed_are_met_by_sampling_for_the_run_alone_and_it_is_said(place: Place) -> None:
    prepare_template(place.store, place.order(place.scenario(["bigint", "text"], {"pool": "id"}, {"pool": "word"})))
    more = place.scenario(
        ["bigint", "text", "uuid"], {"pool": "id"}, {"pool": "word", "limit": 50_000}, {"pool": "key", "limit": 10}
    )
    chosen = choose_pools(place.store, place.order(more))
    assert {pool.column: pool.template_id is None for pool in chosen.pools} == {"id": False, "word": True, "key": True}
    (note,) = chosen.notes
    assert "word was prepared for 10,000 values, and 50,000 are asked; key was not prepared" in note
    assert len(place.arrived(more, chosen.pools, rows=10)) == 10
    fewer = place.scenario(["bigint"], {"pool": "id", "limit": 10})
    chosen = choose_pools(place.store, place.order(fewer))
    assert chosen.notes == ()
    assert len({row[0] for row in place.arrived(fewer, chosen.pools)}) <= 10


def test_a_column_whose_type_has_changed_is_sampled_anew(place: Place) -> None:
    scenario = place.scenario(["text"], {"pool": "small"})
    place.execute("ALTER TABLE things ALTER small TYPE text")
    order = place.order(scenario)
    prepare_template(place.store, order)
    place.execute("ALTER TABLE things ALTER small TYPE varchar")
    chosen = choose_pools(place.store, order)
    assert "small was of type text and is character varying" in chosen.notes[0]
    assert [pool.value_type for pool in chosen.pools] == ["character varying"]


def test_pools_of_another_database_are_not_used(place: Place, embedded_server: Any) -> None:
    scenario = place.scenario(["bigint"], {"pool": "id"})
    order = place.order(scenario)
    prepare_template(place.store, order)
    name = f"copy_of_{place.target.url.rpartition('/')[2]}"
    with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {place.target.url.rpartition('/')[2]}".encode())
    try:
        elsewhere = replace(order, target=ConnInfo(embedded_server.url_with_password(name)))
        chosen = choose_pools(place.store, elsewhere)
        assert "value pools are prepared for" in chosen.notes[0]
        assert f"and not for 127.0.0.1:{embedded_server.port}/{name}" in chosen.notes[0]
        assert chosen.pools[0].template_id is None
        prepare_template(place.store, elsewhere)
        assert len(place.ready()) == 2, "a template has pools for each database"
        assert choose_pools(place.store, elsewhere).notes == choose_pools(place.store, order).notes == ()
    finally:
        with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_database_is_the_same_whichever_way_leads_there_and_whoever_asks(place: Place) -> None:
    scenario = place.scenario(["bigint"], {"pool": "id"})
    order = place.order(scenario)
    prepare_template(place.store, order)
    other_way = ConnInfo(place.target.url.replace("127.0.0.1", "localhost"))
    assert choose_pools(place.store, replace(order, target=other_way)).notes == ()
    place.execute("CREATE ROLE guest LOGIN PASSWORD 'g'; GRANT SELECT ON things TO guest")
    try:
        host = place.target.url.rpartition("@")[2]
        guest = ConnInfo(f"postgresql://guest:g@{host}")
        chosen = choose_pools(place.store, replace(order, target=guest))
        assert (chosen.notes, len(chosen.pools)) == ((), 1)
    finally:
        place.execute("DROP OWNED BY guest; DROP ROLE guest")


def test_every_column_that_cannot_be_read_is_told_and_nothing_is_left(place: Place) -> None:
    scenario = place.scenario(["bigint"] * 3, {"pool": "idd"}, {"pool": "id"}, {"pool": "wordd"})
    with pytest.raises(TargetMismatch) as caught:
        prepare_template(place.store, place.order(scenario))
    assert [problem.message.partition(":")[0] for problem in caught.value.problems] == [
        "column idd of things",
        "column wordd of things",
    ]
    empty = place.scenario(["bigint", "text"], {"pool": "id"}, {"pool": "empty"})
    with pytest.raises(TargetMismatch, match="column empty of table things holds no value"):
        prepare_template(place.store, place.order(empty))
    assert place.ready() == []
    with place.store._database.connection() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM template_value_pools").scalar_one() == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM template_value_chunks").scalar_one() == 0


def test_a_server_that_gives_up_is_told_as_that_and_the_old_values_stay(place: Place) -> None:
    order = place.order(place.scenario(["bigint"], {"pool": "id"}))
    old = prepare_template(place.store, order)
    url = f"{place.target.url}?options=-c%20statement_timeout%3D50"
    place.execute(
        "ALTER TABLE things RENAME TO t; CREATE VIEW things AS SELECT id FROM t, pg_sleep(1) AS s WHERE s IS NOT NULL"
    )
    with pytest.raises(TargetUnreachable, match="gave up while value pools were sampled: canceling statement"):
        prepare_template(place.store, replace(order, target=ConnInfo(url)))
    assert [pool.pool_id for pool in place.ready()] == [pool.pool_id for pool in old]


def test_a_worker_without_its_values_says_so(place: Place) -> None:
    scenario = place.scenario(["bigint"], {"pool": "id"})
    with pytest.raises(StoreError, match="the run has no values of column id"):
        place.arrived(scenario, [])


# Whole runs


SEEN = "INSERT INTO seen SELECT $1, pg_backend_pid() FROM (SELECT 1) AS x"


@pytest.fixture
def own(fresh_database: str, tmp_path: Path) -> Iterator[tuple[Bench, Callable[[str], Any]]]:
    """A bench on a database of its own, where what is sent is written down."""
    ddl = "CREATE TABLE orders (id bigint); INSERT INTO orders SELECT generate_series(1, 5000);"
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(f"{ddl} CREATE TABLE seen (id bigint, backend int)".encode())

        def ask(query: str) -> Any:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else None

        with open_store(f"sqlite:///{tmp_path}/store.db") as store:
            bench = Bench(store, tmp_path, fresh_database)
            try:
                yield bench, ask
            finally:
                for handle in bench.launcher.handles.values():
                    handle.kill()
                until(bench.is_quiet, "no process is left")


def noting(limit: int = 2_000) -> list[dict[str, Any]]:
    params = [{"pool": "id", "limit": limit}]
    return [{"kind": "INSERT", "weight_pct": 100, "sql": SEEN, "params": params}]


def test_a_run_of_a_template_sends_what_was_prepared_although_the_table_holds_nothing_of_it(
    own: tuple[Bench, Callable[[str], Any]],
) -> None:
    bench, ask = own
    scenario = bench.scenario(operations=noting(), duration_seconds=1)
    row = bench.store.templates.create(scenario, saved_by="ada")
    template = TemplateRef(row.template_id, 1)
    request = RunRequest(scenario, bench.target_url, SecretStr(bench.password), template)
    info = ConnInfo(bench.target_url, request.password)
    (pool,) = prepare_template(bench.store, PoolOrder(scenario, template, info, seed=3, sampled_by="ada"))
    ask("UPDATE orders SET id = id + 1000000")

    run_id = bench.orchestrator.create_run(request)
    assert [used.pool_id for used in bench.store.value_pools.of_run(run_id)] == [pool.pool_id]
    assert bench.run(run_id).status is RunStatus.COMPLETED

    ((count, least, most),) = ask("SELECT count(DISTINCT id), min(id), max(id) FROM seen")
    assert 6 <= count <= 2_000
    assert 1 <= least <= most <= 5_000
    assert ask("SELECT id FROM seen GROUP BY id HAVING count(DISTINCT backend) > 1") == [], "six shares of one pool"
    assert bench.store.value_pools.of_ids([pool.pool_id])[0].state is PoolState.READY


def test_a_run_that_is_refused_leaves_no_values(own: tuple[Bench, Callable[[str], Any]]) -> None:
    bench, ask = own
    ask("CREATE UNIQUE INDEX ON seen (id); INSERT INTO seen SELECT id, 0 FROM orders")
    request = RunRequest(bench.scenario(operations=noting()), bench.target_url, SecretStr(bench.password))
    told = Told()
    with pytest.raises(TargetMismatch, match="the operations do not work on the target"):
        bench.orchestrator.create_run(request, told)
    assert ("id done", 0) in told.said
    with bench.store._database.connection() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM template_value_pools").scalar_one() == 0


def test_a_run_of_a_file_samples_once_and_a_worker_that_joins_has_the_same_values(
    own: tuple[Bench, Callable[[str], Any]],
) -> None:
    bench, ask = own
    told = Told()
    scenario = bench.scenario(operations=noting(), duration_seconds=1)
    request = RunRequest(scenario, bench.target_url, SecretStr(bench.password))
    run_id = bench.orchestrator.create_run(request, told)
    assert told.said[0] == ("id", 2_000)
    ask("UPDATE orders SET id = -id")
    (pool,) = bench.store.value_pools.of_run(run_id)
    assert (pool.template_id, pool.value_count) == (None, 2_000)
    during: list[int] = []

    def look(row: RunRow) -> None:
        if row.status is RunStatus.RUNNING:
            during.append(len(bench.store.value_pools.of_run(run_id)))

    assert bench.run(run_id, look).status is RunStatus.COMPLETED
    assert set(during) == {1}, "a worker that joins finds them for as long as the run goes on"
    ((least,),) = ask("SELECT min(id) FROM seen")
    assert least > 0, "no worker has asked the table"
    assert bench.store.value_pools.of_run(run_id) == []
    assert bench.store.value_pools.of_ids([pool.pool_id]) == [], "gone with the run"
