"""Where records wait while the load runs: raw, fixed-size, appended with one write per buffer.

Encoding Parquet beside the load would take a few percent of the measuring machine; appending raw records takes next
to nothing and survives a SIGKILL up to the last buffer. :mod:`upperbound.querylog.parquet` seals them when the load
is over.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from upperbound.domain.outcomes import Outcome
from upperbound.domain.statement_ids import NO_STATEMENT_ID, STATEMENT_ID_BYTES
from upperbound.errors import QueryLogError
from upperbound.querylog.records import RECORD

SEGMENT_ROWS = 500_000
"""Records in one segment, and so rows in one Parquet part."""

RESERVE = "reserve"
RESERVE_BYTES = 8 * 2**20
"""Room that a worker keeps for the end of a run whose disk is full.

The store is by default on the same disk. Without room for its last rows nobody could be told why the run has ended.
"""

MANIFEST = "manifest.json"
ERRORS = "errors.jsonl"
SUFFIX = ".spool"
IDS_SUFFIX = ".ids"
"""Beside a segment, where the server tells what it calls statements: 16 bytes for each of its records, in their order.

They are written before the records, so that after a kill no record lacks its id; one that does has none.
"""


@dataclass(frozen=True)
class Manifest:
    """What the records of one worker leave out because it is the same for all of them."""

    run_id: str
    test_id: str
    worker_id: str
    kinds: list[str]
    """By operation index."""
    operations: list[str]
    """By operation index: the label."""
    anchor_utc_us: int
    """UTC in microseconds since 1970 at the moment when the monotonic clock read ``anchor_ns``."""
    anchor_ns: int
    measurement_start_ns: int
    """Queries that started at or after this time of the monotonic clock belong to MEASUREMENT, others to WARMUP."""

    def save(self, folder: Path) -> None:
        """Write the manifest into ``folder`` so that it is there as a whole or not at all."""
        draft = folder / f"{MANIFEST}.draft"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(folder / MANIFEST)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read the manifest of ``folder``."""
        return cls(**json.loads((folder / MANIFEST).read_text()))


@dataclass(frozen=True)
class LoggedError:
    """One distinct error as the records name it by number."""

    number: int
    outcome: Outcome
    code: str
    message: str


class SpoolWriter:
    """Appends records to segments; used by one thread."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Create ``folder`` with the manifest and the first segment.

        Raises:
            QueryLogError: the folder cannot be written.
        """
        self._folder = folder
        self._rows_in_segment = 0
        self._segment = -1
        self._file = -1
        self._ids_file = -1
        self._ids_in_segment = 0
        self.rows = 0
        """Records written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _keep_reserve(folder)
            manifest.save(folder)
            self._errors = (folder / ERRORS).open("a", encoding="utf-8")
            self._next_segment()
        except OSError as error:
            raise self._lost(error) from error

    def write(self, records: memoryview, statement_ids: bytes | None = None) -> None:
        """Append whole records, and the 16 bytes for each that the server calls its statement by.

        Raises:
            QueryLogError: the disk is full or gone; records written before stay readable.
        """
        ids = memoryview(statement_ids) if statement_ids is not None else None
        try:
            while records:
                room = (SEGMENT_ROWS - self._rows_in_segment) * RECORD.size
                rows = min(len(records), room) // RECORD.size
                if ids is not None:
                    self._write_ids(ids[: rows * STATEMENT_ID_BYTES])
                    ids = ids[rows * STATEMENT_ID_BYTES :]
                _write_all(self._file, records[:room])
                self.rows += rows
                self._rows_in_segment += rows
                records = records[room:]
                if self._rows_in_segment == SEGMENT_ROWS:
                    self._next_segment()
        except OSError as error:
            raise self._lost(error) from error

    def write_errors(self, errors: Iterable[LoggedError]) -> None:
        """Append errors; call it before the records that name them.

        Raises:
            QueryLogError: the disk is full or gone.
        """
        try:
            for error in errors:
                self._errors.write(json.dumps(asdict(error)) + "\n")
            self._errors.flush()
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Close the files; what was written stays."""
        if self._file >= 0:
            self._close_segment()
            # Closing tries once more to write what a full disk has refused; that was reported when it happened.
            with contextlib.suppress(OSError):
                self._errors.close()

    def _lost(self, error: OSError) -> QueryLogError:
        """Give the reserve up for the rows that tell of the loss, and return the error to raise."""
        release_reserve(self._folder)
        return _cannot_write(self._folder, error)

    def _write_ids(self, ids: memoryview) -> None:
        """Append to the ids of the segment, whose file is made when the first come; those of earlier records are none.

        Called before their records are written.
        """
        if self._ids_file < 0:
            self._ids_file = _create(self._folder / f"{self._segment:05d}{IDS_SUFFIX}")
        missing = self._rows_in_segment - self._ids_in_segment
        _write_all(self._ids_file, memoryview(NO_STATEMENT_ID * missing))
        _write_all(self._ids_file, ids)
        self._ids_in_segment += missing + len(ids) // STATEMENT_ID_BYTES

    def _next_segment(self) -> None:
        self._close_segment()
        self._segment += 1
        self._file = _create(self._folder / f"{self._segment:05d}{SUFFIX}")
        self._rows_in_segment = self._ids_in_segment = 0

    def _close_segment(self) -> None:
        for descriptor in (self._file, self._ids_file):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._ids_file = -1


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _keep_reserve(folder: Path) -> None:
    descriptor = os.open(folder / RESERVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    finally:
        os.close(descriptor)


def release_reserve(folder: Path) -> None:
    """Give the reserved room back to the disk; does nothing where there is none."""
    with contextlib.suppress(OSError):
        (folder / RESERVE).unlink()


def read_errors(folder: Path) -> list[LoggedError]:
    """Return the errors of a spool; a last line that was cut by a crash is left out."""
    path = folder / ERRORS
    errors = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            fields = json.loads(line)
        except ValueError:
            break
        errors.append(LoggedError(fields["number"], Outcome(fields["outcome"]), fields["code"], fields["message"]))
    return errors


def _cannot_write(folder: Path, error: OSError) -> QueryLogError:
    return QueryLogError(
        f"the query log cannot be written in {folder}: {error.strerror or error}",
        hint="free disk space, or point UPPERBOUND_HOME to another disk",
    )
