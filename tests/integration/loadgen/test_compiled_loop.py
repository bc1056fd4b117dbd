"""The compiled loop against the one in Python: what the server gets from either is the same."""

import random
import threading
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice

import psycopg
import pytest

from upperbound.loadgen import compiled_library
from upperbound.loadgen.compiled_executor import ROWS_AHEAD, CompiledExecutor
from upperbound.loadgen.compiled_library import compiled_loop
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.loadgen.opening import Connection
from upperbound.loadgen.operations import Operation, Statement
from upperbound.querylog.records import RECORD
from upperbound.testing.waiting import DEADLINE_S, until
from upperbound.worker.executors import closed_executor
from upperbound.workload.streams import Row, ThreadStream

THREADS = 3
COMPARED = 5 * ROWS_AHEAD
"""Executions of each thread that are compared; enough for rows to be asked for several times."""


class Sink:
    """Counts the records of each thread."""

    def __init__(self) -> None:
        self.count = 0

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        self.count += used_bytes // RECORD.size
        return buffer


def rows(thread: int, operation: int) -> Iterator[Row]:
    """Return rows of a text, a number in binary, and a text that is NULL now and then."""
    drawn = random.Random(100 * thread + operation)
    while True:
        note = None if drawn.random() < 0.3 else ("é" * drawn.randrange(0, 40)).encode()
        yield (b"t%d o%d" % (thread, operation), drawn.randrange(1 << 31).to_bytes(4, "big"), note)


def stream(thread: int) -> ThreadStream:
    deck = cycle([0, 0, 1, 0, 1, 0, 0])
    return ThreadStream(islice(deck, thread, None), (rows(thread, 0), rows(thread, 1)))


def arrived(url: str, loop: str) -> list[list[tuple[object, ...]]]:
    """Send with one of the loops, and return what the server has of each thread, in its order."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE TABLE got (id bigserial, label text, number int, note text)")

    def connect() -> Connection:
        connection = psycopg.Connection.connect(url, autocommit=True)
        for name in (b"first", b"second"):
            insert = b"/* %s */ INSERT INTO got (label, number, note) VALUES ($1, $2, $3)" % name
            connection.pgconn.prepare(name, insert, [25, 23, 25])
        return connection

    sink = Sink()
    make = EventLoopExecutor if loop == "python" else partial(CompiledExecutor, compiled=compiled_loop())
    executor = make(
        operations=[Operation((Statement(b"first", [0, 1, 0]),)), Operation((Statement(b"second", [0, 1, 0]),))],
        stream=stream,
        connect=connect,
        sink=sink,
        errors=ErrorTable(),
        buffer_bytes=64 * RECORD.size,
    )
    executor.open(THREADS, lambda _: None)
    running = threading.Thread(target=executor.run)
    running.start()
    executor.begin()
    with psycopg.connect(url, autocommit=True) as admin:
        fewest = (
            "SELECT coalesce(min(n), 0) FROM (SELECT count(*) AS n FROM got GROUP BY substr(label, 1, 2)) AS threads"
        )
        until(lambda: (admin.execute(fewest).fetchone() or (0,))[0] >= COMPARED, "every thread has sent enough")
        executor.stop()
        running.join(DEADLINE_S)
        executor.close()
        everything = admin.execute("SELECT label, number, note FROM got ORDER BY id").fetchall()
        admin.execute("DROP TABLE got")
    assert sink.count == len(everything)
    return [[row for row in everything if row[0].startswith(f"t{t} ")][:COMPARED] for t in range(THREADS)]


def test_the_server_gets_the_same_values_in_the_same_order_from_either_loop(fresh_database: str) -> None:
    from_python, from_compiled = arrived(fresh_database, "python"), arrived(fresh_database, "compiled")
    assert from_compiled == from_python
    assert any(note is None for _, _, note in from_compiled[0])
    assert any(note == "" for _, _, note in from_compiled[0])


def test_notices_of_the_server_do_not_disturb_the_compiled_loop(fresh_database: str) -> None:
    heard = list[str]()

    def connect() -> Connection:
        connection = psycopg.Connection.connect(fresh_database, autocommit=True)
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute(
            "CREATE OR REPLACE FUNCTION pg_temp.told() RETURNS int LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE NOTICE 'mind the gap'; RETURN 1; END $$"
        )
        connection.pgconn.prepare(b"told", b"SELECT pg_temp.told()")
        return connection

    sink = Sink()
    executor = CompiledExecutor(
        compiled=compiled_loop(),
        operations=[Operation((Statement(b"told", None),))],
        stream=lambda _: ThreadStream(cycle([0]), (cycle([None]),)),
        connect=connect,
        sink=sink,
        errors=ErrorTable(),
        buffer_bytes=64 * RECORD.size,
    )
    executor.open(2, lambda _: None)
    running = threading.Thread(target=executor.run)
    running.start()
    executor.begin()
    until(lambda: sink.count >= 500, "queries end")
    executor.stop()
    running.join(DEADLINE_S)
    executor.close()
    assert heard[:2] == ["mind the gap", "mind the gap"]
    assert len(heard) == sink.count


def test_a_value_of_many_megabytes_is_not_drawn_by_the_hundred(fresh_database: str) -> None:
    drawn = 0

    def large() -> Iterator[Row]:
        nonlocal drawn
        while True:
            drawn += 1
            yield (b"x" * (4 << 20),)

    def connect() -> Connection:
        connection = psycopg.Connection.connect(fresh_database, autocommit=True)
        connection.pgconn.prepare(b"large", b"SELECT length($1::text)")
        return connection

    sink = Sink()
    executor = CompiledExecutor(
        compiled=compiled_loop(),
        operations=[Operation((Statement(b"large", [0], may_block=True),))],
        stream=lambda _: ThreadStream(cycle([0]), (large(),)),
        connect=connect,
        sink=sink,
        errors=ErrorTable(),
        buffer_bytes=RECORD.size,
    )
    executor.open(1, lambda _: None)
    running = threading.Thread(target=executor.run)
    running.start()
    executor.begin()
    until(lambda: sink.count >= 4, "large queries end")
    executor.stop()
    running.join(DEADLINE_S)
    executor.close()
    assert drawn - sink.count <= 1


@pytest.mark.parametrize("missing", ["library", "implementation"])
def test_without_the_compiled_part_the_worker_says_so_and_uses_the_loop_in_python(
    missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiled_library.compiled_loop.cache_clear()
    if missing == "library":
        monkeypatch.setattr(compiled_library, "LIBRARY", compiled_library.LIBRARY.with_name("_not_built.so"))
    else:
        monkeypatch.setattr("psycopg.pq.__impl__", "python")
    assert closed_executor() is EventLoopExecutor
    assert "the compiled part of the measuring loop is not used" in caplog.text
    assert ("C compiler" if missing == "library" else "psycopg[binary]") in caplog.text
    compiled_library.compiled_loop.cache_clear()
