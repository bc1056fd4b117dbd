"""Every record that was spooled is in the Parquet log, whatever happened to the worker in between."""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from upperbound.domain.outcomes import Outcome
from upperbound.domain.statement_ids import NO_STATEMENT_ID, STATEMENT_ID_BYTES
from upperbound.errors import QueryLogError
from upperbound.querylog import parquet, spool
from upperbound.querylog.parquet import SCHEMA, log_folder, run_log, seal_worker, spool_folder
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.querylog.spool import LoggedError, Manifest, SpoolWriter

WARMUP_END_NS = 1_000_000
MANIFEST = Manifest(
    run_id="run",
    test_id="run-worker-0",
    worker_id="worker-0",
    kinds=["POINT_LOOKUP", "INSERT"],
    operations=["by key", "new"],
    anchor_utc_us=1_700_000_000_000_000,
    anchor_ns=0,
    measurement_start_ns=WARMUP_END_NS,
)


def records(n: int) -> NDArray[np.void]:
    """One record a microsecond, each 2.5 µs long, every tenth failed with error 1."""
    made = np.zeros(n, RECORD_DTYPE)
    made["start_ns"] = np.arange(n) * 1000
    made["intended_ns"] = made["start_ns"] - 500
    made["end_ns"] = made["start_ns"] + 2500
    made["rows"] = 7
    made["operation"] = np.arange(n) % 2
    made["thread"] = np.arange(n) % 8
    failed = np.arange(n) % 10 == 9
    made["error"][failed] = 1
    made["outcome"][failed] = Outcome.DEADLOCK
    made["retries"][failed] = 2
    return made


def ask(folder: Path, question: str) -> list[tuple[object, ...]]:
    """Query the sealed log as the table ``log``."""
    with duckdb.connect() as database:
        database.execute(f"CREATE VIEW log AS SELECT * FROM '{log_folder(folder)}/*.parquet'")
        return list(database.execute(question).fetchall())


def write(folder: Path, made: NDArray[np.void]) -> None:
    writer = SpoolWriter(spool_folder(folder, "worker-0"), MANIFEST)
    writer.write_errors([LoggedError(1, Outcome.DEADLOCK, "40P01", "deadlock detected")])
    writer.write(memoryview(made.tobytes()))
    assert writer.rows == len(made)
    writer.close()


def test_a_sealed_log_holds_every_record_with_all_its_columns(tmp_path: Path) -> None:
    write(tmp_path, records(3000))
    parts = seal_worker(tmp_path, "worker-0")
    assert parts.rows == 3000
    assert pq.read_schema(parts.files[0]).names == SCHEMA.names
    assert pq.read_schema(parts.files[0]).metadata[b"upperbound.query_log.schema_version"] == b"2"
    log = pq.read_table(parts.files[0]).to_pylist()
    first, failed = log[0], log[9]
    assert first["execution_id"] == "run:worker-0:0"
    assert (first["kind"], first["operation"], first["thread"], first["rows"]) == ("POINT_LOOKUP", "by key", 0, 7)
    assert (first["phase"], first["warmup"], first["outcome"], first["error"]) == ("WARMUP", True, "ok", None)
    assert (first["service_us"], first["response_us"]) == (3, 3)
    assert (first["attempts"], failed["attempts"]) == (1, 3)
    assert (failed["outcome"], failed["error_code"], failed["error"]) == ("deadlock", "40P01", "deadlock detected")


def test_a_query_belongs_to_the_phase_it_was_due_in(tmp_path: Path) -> None:
    write(tmp_path, records(3000))
    seal_worker(tmp_path, "worker-0")
    counts = ask(tmp_path, "SELECT phase, count(*) FROM log GROUP BY 1 ORDER BY 1")
    assert counts == [("MEASUREMENT", 1999), ("WARMUP", 1001)]


def test_times_are_utc_to_the_microsecond(tmp_path: Path) -> None:
    write(tmp_path, records(3000))
    seal_worker(tmp_path, "worker-0")
    latest = ask(tmp_path, "SELECT epoch_us(max(started_at)), epoch_us(max(ended_at)) FROM log")
    assert latest == [(1_700_000_000_002_999, 1_700_000_000_003_001)]


def test_segments_become_parts_of_at_most_the_stated_rows_in_groups_of_ten_thousand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_ROWS", 25_000)
    monkeypatch.setattr(parquet, "SEGMENT_ROWS", 25_000)
    write(tmp_path, records(60_000))
    parts = seal_worker(tmp_path, "worker-0")
    assert [pq.read_metadata(file).num_rows for file in parts.files] == [25_000, 25_000, 10_000]
    assert {pq.read_metadata(file).row_group(0).num_rows for file in parts.files} == {10_000}
    assert ask(tmp_path, "SELECT count(DISTINCT execution_id) FROM log") == [(60_000,)]


def test_a_record_cut_in_the_middle_by_a_kill_is_left_out_and_the_rest_kept(tmp_path: Path) -> None:
    write(tmp_path, records(100))
    segment = spool_folder(tmp_path, "worker-0") / "00000.spool"
    os.truncate(segment, 42 * RECORD.size + 13)
    assert seal_worker(tmp_path, "worker-0").rows == 42


def test_an_error_line_cut_in_the_middle_does_not_stop_the_sealing(tmp_path: Path) -> None:
    write(tmp_path, records(100))
    errors = spool_folder(tmp_path, "worker-0") / "errors.jsonl"
    errors.write_text(errors.read_text() + '{"number": 2, "outc')
    assert seal_worker(tmp_path, "worker-0").rows == 100


def test_sealing_again_after_a_crash_between_part_and_spool_never_doubles_rows(tmp_path: Path) -> None:
    write(tmp_path, records(100))
    spooled = spool_folder(tmp_path, "worker-0") / "00000.spool"
    kept = spooled.read_bytes()
    manifest = (spool_folder(tmp_path, "worker-0") / "manifest.json").read_bytes()
    seal_worker(tmp_path, "worker-0")
    spooled.parent.mkdir()
    spooled.write_bytes(kept)
    (spooled.parent / "manifest.json").write_bytes(manifest)
    (log_folder(tmp_path) / "worker-0-00000.draft").write_bytes(b"half a part")
    assert seal_worker(tmp_path, "worker-0").rows == 100
    assert run_log(tmp_path).rows == 100
    assert not spooled.parent.exists()


def test_sealing_without_a_spool_finds_what_is_there(tmp_path: Path) -> None:
    assert seal_worker(tmp_path, "worker-0").rows == 0
    write(tmp_path, records(10))
    seal_worker(tmp_path, "worker-0")
    assert seal_worker(tmp_path, "worker-0").rows == 10


def test_a_disk_that_cannot_be_written_is_reported_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    with pytest.raises(QueryLogError, match=r"cannot be written in .*spool.*UPPERBOUND_HOME"):
        write(tmp_path, records(1))


def test_a_part_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    write(tmp_path, records(10))
    part = seal_worker(tmp_path, "worker-0").files[0]
    part.write_bytes(b"garbage")
    with pytest.raises(QueryLogError, match="worker-0-00000"):
        run_log(tmp_path)


def write_with_ids(folder: Path, made: NDArray[np.void], ids: bytes, batch: int) -> None:
    """Write the records in batches, each with its part of the ids."""
    writer = SpoolWriter(spool_folder(folder, "worker-0"), MANIFEST)
    for start in range(0, len(made), batch):
        some = made[start : start + batch]
        writer.write(memoryview(some.tobytes()), ids[start * STATEMENT_ID_BYTES : (start + batch) * STATEMENT_ID_BYTES])
    writer.close()


def statement_ids(n: int) -> list[uuid.UUID]:
    return [uuid.UUID(int=(0x01B2 << 112) + number) for number in range(n)]


def joined(ids: Sequence[uuid.UUID]) -> bytes:
    return b"".join(one.bytes for one in ids)


def logged_ids(folder: Path) -> list[object]:
    return [row[0] for row in ask(folder, "SELECT server_query_id FROM log ORDER BY started_at, execution_id")]


def test_each_record_has_the_id_of_its_statement_over_buffers_and_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_ROWS", 1000)
    monkeypatch.setattr(parquet, "SEGMENT_ROWS", 1000)
    ids = statement_ids(2500)
    write_with_ids(tmp_path, records(2500), joined(ids), 700)
    seal_worker(tmp_path, "worker-0")
    assert logged_ids(tmp_path) == [str(one) for one in ids]
    assert not spool_folder(tmp_path, "worker-0").exists()


def test_a_server_that_tells_no_ids_costs_no_file(tmp_path: Path) -> None:
    write(tmp_path, records(100))
    assert not list(spool_folder(tmp_path, "worker-0").glob("*.ids"))
    seal_worker(tmp_path, "worker-0")
    assert logged_ids(tmp_path) == [None] * 100


def test_statements_without_an_id_have_none(tmp_path: Path) -> None:
    ids = statement_ids(3)
    write_with_ids(tmp_path, records(3), ids[0].bytes + NO_STATEMENT_ID + ids[2].bytes, 3)
    seal_worker(tmp_path, "worker-0")
    assert logged_ids(tmp_path) == [str(ids[0]), None, str(ids[2])]


def test_records_before_the_first_id_have_none(tmp_path: Path) -> None:
    ids = statement_ids(4)
    made = records(8)
    writer = SpoolWriter(spool_folder(tmp_path, "worker-0"), MANIFEST)
    writer.write(memoryview(made[:2].tobytes()))
    writer.write(memoryview(made[2:4].tobytes()), joined(ids[:2]))
    writer.write(memoryview(made[4:6].tobytes()))
    writer.write(memoryview(made[6:].tobytes()), joined(ids[2:]))
    writer.close()
    seal_worker(tmp_path, "worker-0")
    first, second, third, fourth = map(str, ids)
    assert logged_ids(tmp_path) == [None, None, first, second, None, None, third, fourth]


@pytest.mark.parametrize(
    ("kept_records", "kept_id_bytes", "with_id"), [(42, 100 * 16, 42), (100, 30 * 16 + 5, 30), (100, 0, 0)]
)
def test_after_a_kill_every_record_is_kept_and_those_whose_id_is_lost_have_none(
    tmp_path: Path, kept_records: int, kept_id_bytes: int, with_id: int
) -> None:
    ids = statement_ids(100)
    write_with_ids(tmp_path, records(100), joined(ids), 100)
    folder = spool_folder(tmp_path, "worker-0")
    os.truncate(folder / "00000.spool", kept_records * RECORD.size)
    os.truncate(folder / "00000.ids", kept_id_bytes)
    assert seal_worker(tmp_path, "worker-0").rows == kept_records
    assert logged_ids(tmp_path) == [str(one) for one in ids[:with_id]] + [None] * (kept_records - with_id)
