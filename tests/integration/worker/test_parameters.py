"""Every kind of parameter, prepared as a worker prepares it, arrives in a real PostgreSQL as what the scenario says."""

import itertools
import math
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from psycopg import pq
from tests.integration.worker.sampling import prepare

from upperbound.errors import TargetMismatch
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.orchestrator.sites import PostgresSite
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.pg_describe import Connection
from upperbound.targets.postgres import ConnInfo, open_connection, preflight
from upperbound.testing.manual_clock import ManualClock
from upperbound.testing.waiting import DEADLINE_S, until
from upperbound.worker.executors import make_executor
from upperbound.worker.preparation import PreparedLoad
from upperbound.workload.streams import Row

ROWS = 700
"""More than a chunk."""
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def target(fresh_database: str) -> ConnInfo:
    """A database with a table of things whose ids are the even numbers to 2,000."""
    info = ConnInfo(fresh_database)
    with open_connection(info) as connection:
        connection.execute(
            "CREATE TABLE things (id bigint PRIMARY KEY, word text, key uuid DEFAULT gen_random_uuid(), day date)"
        )
        connection.execute(
            "INSERT INTO things SELECT 2 * i, 'wörd \"' || i || '\\ , {', gen_random_uuid(), DATE '2026-01-01' + i"
            " FROM generate_series(1, 1000) AS i"
        )
    return info


@pytest.fixture
def connection(target: ConnInfo) -> Iterator[Connection]:
    with open_connection(target) as opened:
        yield opened


def config(target: ConnInfo, *operations: dict[str, Any], workers: int = 2, threads: int = 4, **load: Any) -> RunConfig:
    weights = [100 // len(operations)] * len(operations)
    weights[0] += 100 - sum(weights)
    scenario = Scenario.model_validate(
        {
            "name": "parameters",
            "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/d", "table": "things"},
            "load": {"threads": workers * threads, "duration_seconds": 1} | load,
            "workload": {
                "operations": [
                    {"kind": "GENERIC_SQL", "operation_type": "READ", "name": f"op{n}", "weight_pct": weight}
                    | operation
                    for n, (operation, weight) in enumerate(zip(operations, weights, strict=True))
                ]
            },
        }
    )
    preflight(target, scenario, 1)
    return RunConfig(
        scenario=scenario,
        threads=(threads,) * workers,
        seed=5,
        target_url="postgresql://127.0.0.1/d",
        table="things",
        sequence_starts=PostgresSite(target).sequence_starts(scenario),
        upperbound_version="test",
    )


def selecting(casts: list[str], *params: dict[str, Any]) -> dict[str, Any]:
    """Return an operation that selects its parameters, as text."""
    columns = ", ".join(f"(${place}::{cast})::text" for place, cast in enumerate(casts, 1))
    return {"sql": f"SELECT {columns}", "params": list(params)}


Arrived = list[tuple[str | None, ...]]
Ask = Callable[..., Arrived]


def execute(connection: Connection, prepared: PreparedLoad, row: Row | None, operation: int = 0) -> pq.abc.PGresult:
    """Execute an operation with a row of its parameters, as the load does."""
    statement = prepared.operations[operation].statements[0]
    result = connection.pgconn.exec_prepared(statement.name, cast("Any", row or ()), statement.param_formats)
    assert result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK), result.error_message
    return result


def send(prepared: PreparedLoad, thread: int = 0, rows: int = ROWS, operation: int = 0) -> Arrived:
    """Execute an operation as the load does, with its next rows; return what the server makes of them."""
    connection = prepared.connect()
    stream, arrived = prepared.stream(thread), []
    for row in itertools.islice(stream.rows[operation], rows):
        result = execute(connection, prepared, row, operation)
        values = [result.get_value(0, place) for place in range(result.nfields)] if result.ntuples else []
        arrived.append(tuple(None if value is None else value.decode() for value in values))
    connection.close()
    return arrived


@pytest.fixture
def ask(target: ConnInfo) -> Ask:
    """Send one statement with these parameters ``ROWS`` times from one thread; return what arrived, row by row."""

    def send_one(casts: list[str], *params: dict[str, Any], rows: int = ROWS, group: int = 0) -> Arrived:
        made = config(target, selecting(casts, *params))
        return send(prepare(made, target, group_id=group, group_count=2), rows=rows)

    return send_one


def whole(arrived: Arrived, place: int = 0) -> list[int]:
    return [int(row[place] or "") for row in arrived]


def test_numbers_of_every_distribution_arrive(ask: Ask) -> None:
    arrived = ask(
        ["integer", "bigint", "smallint", "numeric", "float8", "integer"],
        {"range": [1, 6]},
        {"zipf": {"range": [1, 10**6], "exponent": 1.2}},
        {"hot_set": {"range": [1, 100], "hot_pct": 5, "access_pct": 90}},
        {"gaussian": {"range": [1, 1001], "deviations": 5}},
        {"sequence": {"start": 10**6}},
        {"exponential": {"range": [1, 1000], "decay": 10}},
    )
    assert set(whole(arrived, 0)) == set(range(1, 7))
    assert Counter(whole(arrived, 1)).most_common(1)[0][0] == 1
    assert sum(value <= 5 for value in whole(arrived, 2)) / ROWS == pytest.approx(0.9, abs=5 * math.sqrt(0.09 / ROWS))
    assert sum(whole(arrived, 3)) / ROWS == pytest.approx(501, abs=5 * 100 / math.sqrt(ROWS))
    assert sum(whole(arrived, 5)) / ROWS == pytest.approx(100, abs=5 * 100 / math.sqrt(ROWS))
    keys = [int(float(row[4] or "")) for row in arrived]
    assert len(set(keys)) == ROWS
    assert min(keys) == 10**6


def test_listed_values_arrive_and_null_among_them(ask: Ask) -> None:
    arrived = ask(
        ["text", "varchar", "boolean", "date"],
        {"choice": ["a", "ü ✓", None]},
        {"weighted": [{"value": "often", "weight": 90}, {"value": None, "weight": 10}]},
        {"weighted": [{"value": True, "weight": 1}, {"value": False, "weight": 1}]},
        {"choice": ["2026-02-28"]},
    )
    assert {row[0] for row in arrived} == {"a", "ü ✓", None}
    assert Counter(row[1] for row in arrived)["often"] / ROWS == pytest.approx(0.9, abs=0.06)
    assert {row[2] for row in arrived} == {"true", "false"}
    assert {row[3] for row in arrived} == {"2026-02-28"}


def test_values_of_columns_arrive_whole_from_every_distribution(ask: Ask, connection: Connection) -> None:
    arrived = ask(
        ["bigint", "text", "uuid", "date"],
        {"pool": "id"},
        {"zipf": {"pool": "word"}},
        {"hot_set": {"pool": "key", "hot_pct": 1, "access_pct": 50}},
        {"gaussian": {"pool": "day"}},
    )
    for place, column in enumerate(["id", "word", "key", "day"]):
        there = {row[0] for row in connection.execute(f"SELECT {column}::text FROM things").fetchall()}
        assert {row[place] for row in arrived} <= there
        assert len({row[place] for row in arrived}) > 50
    assert len(set(whole(arrived))) <= 1000 / 8, "a pool is dealt out to the eight threads"


@pytest.mark.parametrize(
    "base",
    [
        {"range": [1, 10**6]},
        {"pool": "id"},
        {"zipf": {"pool": "id"}},
        {"hot_set": {"range": [1, 1000]}},
        {"gaussian": {"pool": "id"}},
        {"exponential": {"pool": "id"}},
        {"sequence": {"start": 1}},
        {"choice": [10, 20]},
        {"weighted": [{"value": 7, "weight": 1}, {"value": 9, "weight": 2}]},
    ],
    ids=lambda base: f"{next(iter(base))}-{'pool' if 'pool' in str(base) else ''}",
)
def test_an_offset_is_exact_in_each_execution(ask: Ask, base: dict[str, Any]) -> None:
    arrived = ask(
        ["bigint", "integer", "numeric"],
        base,
        {"offset_from": {"parameter": 1, "by": 49}},
        {"offset_from": {"parameter": 2, "by": [-3, 3]}},
    )
    assert all(second == first + 49 for first, second in zip(whole(arrived, 0), whole(arrived, 1), strict=True))
    assert {third - second for second, third in zip(whole(arrived, 1), whole(arrived, 2), strict=True)} == set(
        range(-3, 4)
    )
    assert len(set(whole(arrived))) > 1


def test_a_pool_gives_the_same_values_whether_or_not_something_is_added_to_them(ask: Ask) -> None:
    plain = ask(["bigint"], {"pool": "id"})
    assert [
        row[:1] for row in ask(["bigint", "bigint"], {"pool": "id"}, {"offset_from": {"parameter": 1, "by": 1}})
    ] == plain


def test_a_parameter_used_several_times_is_one_value(target: ConnInfo) -> None:
    made = config(target, {"sql": "SELECT $1::bigint - $1, $1 + $2 - $1 - $2", "params": [{"range": [1, 9]}] * 2})
    assert set(send(prepare(made, target, group_id=0, group_count=2))) == {("0", "0")}


def test_lists_arrive_as_arrays_of_any_type(ask: Ask, connection: Connection) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("bigint[]", {"pool": "id"}),
        ("text[]", {"zipf": {"pool": "word"}}),
        ("uuid[]", {"uuid": "random"}),
        ("date[]", {"pool": "day"}),
        ("integer[]", {"range": [1, 9]}),
        ("text[]", {"choice": ["NULL", "", None, 'say "hi"\\', "{a,b}"]}),
        ("bigint[]", {"sequence": {"start": 1}}),
        ("text[]", {"text": [1, 9], "characters": 'a",\\{} '}),
        ("boolean[]", {"weighted": [{"value": True, "weight": 1}, {"value": None, "weight": 1}]}),
        ("smallint[]", {"gaussian": {"range": [1, 99]}}),
        ("float8[]", {"hot_set": {"range": [1, 99]}}),
    ]
    casts, params = [cast for cast, _ in kinds], [{"list": source, "size": [1, 4]} for _, source in kinds]
    arrived = ask(casts, *params)

    def values(place: int, cast: str) -> list[Any]:
        found = connection.execute(
            f"SELECT unnest(a::{cast}) FROM unnest(%s::text[]) AS a", [[row[place] for row in arrived]]
        )
        return [row[0] for row in found.fetchall()]

    words = {row[0] for row in connection.execute("SELECT word FROM things").fetchall()}
    assert set(values(0, "bigint[]")) <= set(range(2, 2001, 2))
    assert set(values(1, "text[]")) <= words
    made = values(2, "uuid[]")
    assert len(set(made)) == len(made) > ROWS
    assert {value.version for value in made} == {4}
    assert all(value.year >= 2026 for value in values(3, "date[]"))
    assert set(values(4, "integer[]")) == set(range(1, 10))
    assert set(values(5, "text[]")) == {"NULL", "", None, 'say "hi"\\', "{a,b}"}
    keys = values(6, "bigint[]")
    assert len(set(keys)) == len(keys)
    assert set("".join(values(7, "text[]"))) == set('a",\\{} ')
    assert set(values(8, "boolean[]")) == {True, None}
    assert {(row[6] or "").count(",") + 1 for row in arrived} == {1, 2, 3, 4}


def test_a_list_finds_the_rows_it_names(target: ConnInfo) -> None:
    operation = {
        "sql": "SELECT count(*), count(DISTINCT x), count(DISTINCT id) FROM unnest($1::bigint[]) AS x"
        " LEFT JOIN things ON id = x AND id = ANY($1)",
        "params": [{"list": {"pool": "id"}, "size": 10}],
    }
    arrived = send(prepare(config(target, operation), target, group_id=1, group_count=2))
    assert all(row[0] == "10" and row[1] == row[2] for row in arrived)


def test_made_up_values_arrive(ask: Ask) -> None:
    arrived = ask(
        ["uuid", "text", "uuid", "text", "text"],
        {"uuid": "random"},
        {"uuid": "random"},
        {"uuid": "seeded"},
        {"text": [3, 9]},
        {"text": 2000, "characters": "é"},
    )
    for place in range(3):
        made = [uuid.UUID(row[place]) for row in arrived]
        assert len(set(made)) == ROWS
        assert {value.version for value in made} == {4}
        assert [str(value) for value in made] == [row[place] for row in arrived]
    assert {len(row[3] or "") for row in arrived} == set(range(3, 10))
    assert {row[4] for row in arrived} == {"é" * 2000}


def test_only_seeded_uuids_come_again(ask: Ask) -> None:
    first, again, elsewhere = (
        ask(["uuid", "uuid"], {"uuid": "seeded"}, {"uuid": "random"}, group=group) for group in (0, 0, 1)
    )
    assert [row[0] for row in first] == [row[0] for row in again]
    assert not {row[0] for row in first} & {row[0] for row in elsewhere}
    assert not {row[1] for row in first} & {row[1] for row in again}


def test_now_is_the_time_of_each_execution(target: ConnInfo) -> None:
    clock = ManualClock(NOON)
    casts = ["timestamptz", "timestamp", "date", "timestamptz", "timestamptz", "timestamptz"]
    operation = selecting(
        casts,
        {"now": {}},
        {"now": {"offset_seconds": 3600}},
        {"now": {"offset_seconds": -86_400}},
        {"now": {"offset_seconds": [-600, -1]}},
        {"offset_from": {"parameter": 4, "by": 60}},
        {"offset_from": {"parameter": 1, "by": [-1, 1]}},
    )
    prepared = prepare(config(target, operation), target, group_id=0, group_count=2, clock=clock)
    assert not prepared.operations[0].drawn_ahead
    connection, rows = prepared.connect(), prepared.stream(0).rows[0]
    for _ in range(20):
        clock.advance(7.25)
        result = execute(connection, prepared, next(rows))
        got = [datetime.fromisoformat((result.get_value(0, place) or b"").decode()) for place in range(6)]
        now = clock.utc_now()
        assert got[0] == now
        assert got[1].replace(tzinfo=UTC) == now + timedelta(hours=1)
        assert got[2].date() == (now - timedelta(days=1)).date()
        assert timedelta(seconds=-600) <= got[3] - now <= timedelta(seconds=-1)
        assert got[4] - got[3] == timedelta(seconds=60)
        assert got[5] - now in [timedelta(seconds=seconds) for seconds in (-1, 0, 1)]
    connection.close()


class Kept:
    """Takes a loop's records and keeps none."""

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        return buffer


@pytest.mark.parametrize("load", [{}, {"mode": "QPS", "target_qps": 100}])
def test_a_time_that_a_load_sends_is_that_of_its_sending(
    target: ConnInfo, connection: Connection, load: dict[str, Any]
) -> None:
    connection.execute("CREATE TABLE moments (sent timestamptz, arrived timestamptz DEFAULT clock_timestamp())")
    sql = "WITH new AS (INSERT INTO moments VALUES ($1) RETURNING sent) SELECT pg_sleep(0.005) FROM new"
    made = config(target, {"sql": sql, "params": [{"now": {}}]}, workers=1, threads=1, **load)
    prepared = prepare(made, target, group_id=0, group_count=1)
    executor = make_executor(made, prepared, cast("Any", Kept()), ErrorTable(), group_id=0)
    executor.open(1, lambda _: None)
    thread = threading.Thread(target=executor.run)
    thread.start()
    executor.begin()
    try:
        enough = "SELECT count(*) > 150 FROM moments"
        until(lambda: connection.execute(enough).fetchall()[0][0], "the load sends rows")
    finally:
        executor.stop()
        thread.join(DEADLINE_S)
        executor.close()
    ((median_s, rows, times),) = connection.execute(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM arrived - sent)), count(*),"
        " count(DISTINCT sent) FROM moments"
    ).fetchall()
    assert rows == times
    assert 0 <= median_s < 0.1


def test_times_without_a_zone_are_in_utc_whatever_the_zone_of_the_session(
    target: ConnInfo, connection: Connection
) -> None:
    connection.execute("ALTER ROLE CURRENT_USER SET timezone = 'Asia/Tokyo'")
    try:
        late = ManualClock(NOON.replace(hour=23))
        operation = selecting(["timestamp", "date"], {"now": {}}, {"now": {}})
        prepared = prepare(config(target, operation), target, group_id=0, group_count=2, clock=late)
        assert send(prepared, rows=1) == [("2026-05-01 23:00:00", "2026-05-01")]
    finally:
        connection.execute("ALTER ROLE CURRENT_USER RESET timezone")


def test_times_of_a_worker_are_those_of_its_machine(ask: Ask, connection: Connection) -> None:
    arrived = ask(["timestamptz"], {"now": {}}, rows=5)
    now: datetime = connection.execute("SELECT now()").fetchall()[0][0]
    times = [datetime.fromisoformat(row[0] or "") for row in arrived]
    assert sorted(times) == times
    assert timedelta(0) <= now - times[-1] < timedelta(minutes=2)


def test_keys_of_eight_workers_of_a_hundred_threads_never_collide_nor_do_those_of_a_rerun(
    target: ConnInfo, connection: Connection
) -> None:
    operation = {
        "kind": "INSERT",
        "operation_type": "WRITE",
        "sql": "INSERT INTO {table} (id, key) SELECT unnest($1::bigint[] || $2::bigint), $3",
        "params": [
            {"list": {"sequence": {"after": "id"}}, "size": 3},
            {"sequence": {"after": "id"}},
            {"uuid": "random"},
        ],
    }
    connection.execute("CREATE UNIQUE INDEX ON things (id, key)")
    for _ in range(2):
        made = config(target, operation, workers=8, threads=100)
        for group in range(8):
            prepared = prepare(made, target, group_id=group, group_count=8)
            opened = prepared.connect()
            streams = [prepared.stream(thread) for thread in range(100)]
            for stream in itertools.chain(streams, reversed(streams)):
                execute(opened, prepared, next(stream.rows[0]))
            opened.close()
    counted = connection.execute("SELECT count(*), count(DISTINCT id) FROM things").fetchall()
    assert counted == [(1000 + 2 * 8 * 100 * 2 * 4,) * 2]


def test_a_sequence_in_a_list_begins_where_it_began_for_the_others_in_a_worker_that_joins(
    target: ConnInfo, connection: Connection
) -> None:
    made = config(target, selecting(["bigint[]"], {"list": {"sequence": {"after": "id"}}, "size": 2}))
    assert made.sequence_starts == {"id": 2001}
    connection.execute("INSERT INTO things (id) VALUES (5000)")
    joined = prepare(made, target, group_id=0, group_count=2)
    assert send(joined, rows=1) == [("{2001,2002}",)]


def test_a_sum_that_leaves_its_type_is_told_before_the_load_begins(target: ConnInfo, connection: Connection) -> None:
    connection.execute("INSERT INTO things (id) VALUES (9223372036854775800)")
    made = config(target, selecting(["bigint"] * 2, {"pool": "id"}, {"offset_from": {"parameter": 1, "by": 10}}))
    with pytest.raises(TargetMismatch) as caught:
        prepare(made, target, group_id=0, group_count=2)
    assert "$2 is of type bigint and cannot take all of 12 to 9223372036854775810" in str(caught.value)


def test_large_rows_are_known_to_be_large(target: ConnInfo) -> None:
    made = config(
        target,
        selecting(["text"], {"text": 20}),
        selecting(["text"], {"text": 3000}),
        selecting(["bigint[]"], {"list": {"range": [1, 9]}, "size": 500}),
        selecting(["text"], {"weighted": [{"value": "x" * 9000, "weight": 1}]}),
    )
    prepared = prepare(made, target, group_id=0, group_count=2)
    assert [operation.statements[0].may_block for operation in prepared.operations] == [
        False,
        True,
        True,
        True,
    ]
    assert all(operation.drawn_ahead for operation in prepared.operations)


def test_large_values_of_a_pool_are_known_to_be_large(target: ConnInfo, connection: Connection) -> None:
    made = config(target, selecting(["text"], {"pool": "word"}))
    assert not prepare(made, target, group_id=0, group_count=2).operations[0].statements[0].may_block
    connection.execute("UPDATE things SET word = repeat('x', 9000) WHERE id = 2")
    assert prepare(made, target, group_id=0, group_count=2).operations[0].statements[0].may_block
