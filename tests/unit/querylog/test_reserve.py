"""A worker keeps room on its disk for the end of a run whose query log has filled it."""

import errno
import os
from pathlib import Path

import pytest

from upperbound.errors import QueryLogError
from upperbound.querylog.parquet import seal_worker, spool_folder
from upperbound.querylog.records import RECORD
from upperbound.querylog.spool import RESERVE, RESERVE_BYTES, Manifest, SpoolWriter

MANIFEST = Manifest(
    run_id="run",
    test_id="run-worker-0",
    worker_id="worker-0",
    kinds=["POINT_LOOKUP"],
    operations=["POINT_LOOKUP"],
    anchor_utc_us=1_700_000_000_000_000,
    anchor_ns=0,
    measurement_start_ns=0,
)
ONE_RECORD = memoryview(bytes(RECORD.size))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return spool_folder(tmp_path, "worker-0")


def test_the_reserve_takes_its_room_from_the_disk_at_the_start(spool: Path) -> None:
    writer = SpoolWriter(spool, MANIFEST)
    writer.close()
    assert (spool / RESERVE).stat().st_blocks * 512 >= RESERVE_BYTES


def test_a_full_disk_gives_the_reserve_back_before_anyone_is_told(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SpoolWriter(spool, MANIFEST)

    def no_room(_file: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("upperbound.querylog.spool.os.write", no_room)
    with pytest.raises(QueryLogError, match="No space left on device"):
        writer.write(ONE_RECORD)
    writer.close()
    assert not (spool / RESERVE).exists()


def test_a_disk_without_room_for_the_reserve_does_not_start_a_log(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_file: int, _start: int, _length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("upperbound.querylog.spool.os.posix_fallocate", no_room)
    with pytest.raises(QueryLogError, match="free disk space"):
        SpoolWriter(spool, MANIFEST)
    assert not list(spool.iterdir())


def test_sealing_gives_the_reserve_back(tmp_path: Path, spool: Path) -> None:
    writer = SpoolWriter(spool, MANIFEST)
    writer.write(ONE_RECORD)
    writer.close()
    assert seal_worker(tmp_path, "worker-0").rows == 1
    assert not spool.exists()
