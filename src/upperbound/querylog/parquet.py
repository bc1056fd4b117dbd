"""Seals spooled records into Parquet parts, once the load is over or its worker is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.domain.statement_ids import STATEMENT_ID_BYTES
from upperbound.errors import QueryLogError
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.querylog.spool import (
    IDS_SUFFIX,
    MANIFEST,
    SEGMENT_ROWS,
    SUFFIX,
    LoggedError,
    Manifest,
    read_errors,
    release_reserve,
)

SCHEMA_VERSION = "2"
ROW_GROUP_ROWS = 10_000

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("execution_id", pa.string(), nullable=False),
        pa.field("run_id", _TEXT, nullable=False),
        pa.field("test_id", _TEXT, nullable=False),
        pa.field("worker_id", _TEXT, nullable=False),
        pa.field("thread", pa.int32(), nullable=False),
        pa.field("kind", _TEXT, nullable=False),
        pa.field("operation", _TEXT, nullable=False),
        pa.field("phase", _TEXT, nullable=False),
        pa.field("warmup", pa.bool_(), nullable=False),
        pa.field("intended_at", _TIME, nullable=False),
        pa.field("started_at", _TIME, nullable=False),
        pa.field("ended_at", _TIME, nullable=False),
        pa.field("response_us", pa.int64(), nullable=False),
        pa.field("service_us", pa.int64(), nullable=False),
        pa.field("outcome", _TEXT, nullable=False),
        pa.field("error_code", _TEXT),
        pa.field("error", _TEXT),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("attempts", pa.int16(), nullable=False),
        pa.field("server_query_id", pa.string()),
    ],
    metadata={"upperbound.query_log.schema_version": SCHEMA_VERSION},
)


@dataclass(frozen=True)
class LogParts:
    """The sealed query log of one worker or of a whole run."""

    rows: int
    files: tuple[Path, ...]


def spool_folder(run_folder: Path, worker_id: str) -> Path:
    """Return where a worker spools while the load runs."""
    return run_folder / "spool" / worker_id


def log_folder(run_folder: Path) -> Path:
    """Return where the sealed parts of a run are kept."""
    return run_folder / "query_log"


def seal_worker(run_folder: Path, worker_id: str) -> LogParts:
    """Turn what a worker has spooled into Parquet parts and remove the spool.

    May be called again after a crash at any point, and for a worker that was killed: a record that was cut in the
    middle is left out, a part that was cut in the middle is written anew, a part that is complete stays.

    Raises:
        QueryLogError: a part cannot be written, and the spool is kept; or one cannot be read.
    """
    spool, log = spool_folder(run_folder, worker_id), log_folder(run_folder)
    try:
        if (spool / MANIFEST).exists():
            release_reserve(spool)
            log.mkdir(parents=True, exist_ok=True)
            manifest, errors = Manifest.load(spool), read_errors(spool)
            for segment in sorted(spool.glob(f"*{SUFFIX}")):
                number = int(segment.stem)
                records = _read(segment)
                if len(records):
                    ids = _read_ids(segment.with_suffix(IDS_SUFFIX), len(records))
                    _write_part(log / f"{worker_id}-{number:05d}.parquet", records, ids, number, manifest, errors)
                segment.unlink()
            for rest in spool.iterdir():
                rest.unlink()
            spool.rmdir()
    except (OSError, pa.ArrowException) as error:
        raise QueryLogError(
            f"the query log of {worker_id} cannot be sealed into {log}: {error}",
            hint=f"free disk space; the raw records are kept in {spool}",
        ) from error
    return worker_log(run_folder, worker_id)


def worker_log(run_folder: Path, worker_id: str) -> LogParts:
    """Return the sealed parts of a worker.

    Raises:
        QueryLogError: a part cannot be read.
    """
    files = sorted(log_folder(run_folder).glob(f"{worker_id}-?????.parquet"))
    return LogParts(parquet_rows(files), tuple(files))


def log_files(run_folder: Path) -> list[Path]:
    """Return the files of a run's log that are here."""
    return sorted(log_folder(run_folder).glob("*.parquet"))


def run_log(run_folder: Path) -> LogParts:
    """Return the sealed parts of a run.

    Raises:
        QueryLogError: a part cannot be read.
    """
    files = log_files(run_folder)
    return LogParts(parquet_rows(files), tuple(files))


def parquet_rows(files: Sequence[Path]) -> int:
    """Return how many rows some files have. Raises :class:`QueryLogError` for one that cannot be read."""
    rows = 0
    for file in files:
        try:
            rows += pq.read_metadata(file).num_rows
        except (OSError, pa.ArrowException) as error:
            raise QueryLogError(f"the query log part {file} cannot be read: {error}") from error
    return rows


def _read(segment: Path) -> NDArray[np.void]:
    data = segment.read_bytes()
    return np.frombuffer(data, RECORD_DTYPE, len(data) // RECORD.size)


def _read_ids(path: Path, n: int) -> NDArray[np.uint8] | None:
    """Return the statement ids of ``n`` records as rows of bytes, all zero for none; None where there are none at all.

    There may be fewer than records, or more, after a kill.
    """
    if not path.exists():
        return None
    data = path.read_bytes()[: n * STATEMENT_ID_BYTES]
    ids = np.zeros((n, STATEMENT_ID_BYTES), np.uint8)
    whole = len(data) // STATEMENT_ID_BYTES
    ids[:whole] = np.frombuffer(data, np.uint8, whole * STATEMENT_ID_BYTES).reshape(whole, STATEMENT_ID_BYTES)
    return ids


def _write_part(
    path: Path,
    records: NDArray[np.void],
    ids: NDArray[np.uint8] | None,
    number: int,
    manifest: Manifest,
    errors: Sequence[LoggedError],
) -> None:
    """Write one part so that it is there as a whole or not at all."""
    draft = path.with_suffix(".draft")
    with pq.ParquetWriter(
        draft, SCHEMA, compression="zstd", use_dictionary=_dictionary_columns(), column_encoding=_ENCODINGS
    ) as writer:
        for start in range(0, len(records), ROW_GROUP_ROWS):
            chunk = records[start : start + ROW_GROUP_ROWS]
            chunk_ids = None if ids is None else ids[start : start + ROW_GROUP_ROWS]
            table = to_table(chunk, number * SEGMENT_ROWS + start, manifest, errors, chunk_ids)
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    draft.replace(path)


_ENCODINGS = {
    "execution_id": "DELTA_BYTE_ARRAY",
    "intended_at": "DELTA_BINARY_PACKED",
    "started_at": "DELTA_BINARY_PACKED",
    "ended_at": "DELTA_BINARY_PACKED",
}


def _dictionary_columns() -> list[str]:
    return [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]


def to_table(
    records: NDArray[np.void],
    first: int,
    manifest: Manifest,
    errors: Sequence[LoggedError],
    ids: NDArray[np.uint8] | None = None,
) -> pa.Table:
    """Return the records as rows of :data:`SCHEMA`; ``first`` is the worker's sequence number of the first.

    ``ids`` are rows of 16 bytes, all zero for a statement whose id is not known.
    """
    n = len(records)
    warmup = records["intended_ns"] < manifest.measurement_start_ns
    prefix = f"{manifest.run_id}:{manifest.worker_id}:"
    sequence = pa.array(np.arange(first, first + n)).cast(pa.string())
    intended, start, end = records["intended_ns"], records["start_ns"], records["end_ns"]
    error = records["error"].astype(np.int32) - 1
    known = pa.array((error < 0) | (error >= len(errors)))
    columns = {
        "execution_id": pc.binary_join_element_wise(prefix, sequence, ""),
        "run_id": _constant(manifest.run_id, n),
        "test_id": _constant(manifest.test_id, n),
        "worker_id": _constant(manifest.worker_id, n),
        "thread": pa.array(records["thread"].astype(np.int32)),
        "kind": _text(records["operation"], manifest.kinds),
        "operation": _text(records["operation"], manifest.operations),
        "phase": _text(warmup.astype(np.int32), [Phase.MEASUREMENT.value, Phase.WARMUP.value]),
        "warmup": pa.array(warmup),
        "intended_at": _utc(intended, manifest),
        "started_at": _utc(start, manifest),
        "ended_at": _utc(end, manifest),
        "response_us": pa.array(to_us(end - intended)),
        "service_us": pa.array(to_us(end - start)),
        "outcome": _text(records["outcome"], [outcome.label for outcome in Outcome]),
        "error_code": _text(error, [entry.code for entry in errors], known),
        "error": _text(error, [entry.message for entry in errors], known),
        "rows": pa.array(records["rows"].astype(np.int64)),
        "attempts": pa.array(records["retries"].astype(np.int16) + 1, pa.int16()),
        "server_query_id": pa.nulls(n, pa.string()) if ids is None else uuid_texts(ids),
    }
    return pa.table(columns, schema=SCHEMA)


_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
_UUID_DIGITS = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])


def uuid_texts(ids: NDArray[np.uint8]) -> pa.StringArray:
    """Return rows of 16 bytes as UUIDs in lower case; null for one that is all zero."""
    n = len(ids)
    letters = np.full((n, 36), ord("-"), np.uint8)
    letters[:, _UUID_DIGITS] = _HEX[ids].reshape(n, 32)
    offsets = np.arange(0, 36 * n + 1, 36, dtype=np.int32)
    texts = pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(letters))
    return pc.if_else(pa.array(ids.any(axis=1)), texts, pa.scalar(None, pa.string()))


def to_us(duration_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return durations in whole microseconds, rounded half up; what the histograms count and the log says is this."""
    return (duration_ns + 500) // 1000


def _utc(times_ns: NDArray[np.int64], manifest: Manifest) -> pa.Array:
    return pa.array(manifest.anchor_utc_us + (times_ns - manifest.anchor_ns) // 1000).cast(_TIME)


def _constant(text: str, n: int) -> pa.DictionaryArray:
    return _text(np.zeros(n, np.int32), [text])


def _text(indexes: NDArray[np.int32], words: Sequence[str], missing: pa.Array | None = None) -> pa.DictionaryArray:
    numbers = pa.array(indexes.astype(np.int32))
    if missing is not None:
        numbers = pc.if_else(missing, pa.scalar(None, pa.int32()), numbers)
    return pa.DictionaryArray.from_arrays(numbers, pa.array(list(words), pa.string()))
