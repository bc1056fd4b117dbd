"""Uploading files and loading them, with the real connector."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector.errors import Error
from tests.emulators.handle import SnowflakeDatabase

COPY = "COPY INTO log FROM @spool/run-1 FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"


@pytest.fixture
def spool(snowflake: SnowflakeDatabase) -> SnowflakeDatabase:
    snowflake.rows("CREATE STAGE spool")
    snowflake.rows("CREATE TABLE log (ID INT, NOTE VARCHAR, WHO VARCHAR DEFAULT 'nobody', DETAIL VARIANT)")
    return snowflake


def write(path: Path, first: int = 0, rows: int = 3) -> Path:
    numbers = list(range(first, first + rows))
    table = pa.table({"id": numbers, "note": [None if number % 2 else f"n{number}" for number in numbers]})
    pq.write_table(table.append_column("detail", [[f"d{number}" for number in numbers]]), path, compression="NONE")
    return path


def put(database: SnowflakeDatabase, path: Path, where: str = "run-1/worker-0", *, overwrite: bool = True) -> str:
    ((*_, status, _message),) = database.rows(
        f"PUT 'file://{path}' @spool/{where} AUTO_COMPRESS = FALSE OVERWRITE = {str(overwrite).upper()}"
    )
    return str(status)


def test_a_file_is_uploaded_listed_loaded_and_removed(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    path = write(tmp_path / "part-1.parquet")
    assert put(spool, path) == "UPLOADED"
    ((name, size, digest, _),) = spool.rows("LIST @spool")
    assert (name, size, len(digest)) == ("spool/run-1/worker-0/part-1.parquet", path.stat().st_size, 32)
    assert spool.stage_files() == [
        {"stage": f"{spool.name}.PUBLIC.SPOOL", "path": "run-1/worker-0/part-1.parquet", "size_bytes": size}
    ]
    ((file, status, parsed, loaded, *_),) = spool.rows(COPY)
    assert (file, status, parsed, loaded) == (name, "LOADED", 3, 3)
    expected = [(0, "n0", "nobody", '"d0"'), (1, None, "nobody", '"d1"'), (2, "n2", "nobody", '"d2"')]
    assert spool.rows("SELECT * FROM log ORDER BY ID") == expected
    assert spool.rows("REMOVE @spool/run-1") == [(name, "removed")]
    assert spool.stage_files() == []


def test_a_file_is_loaded_once_unless_forced(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    put(spool, write(tmp_path / "a.parquet"))
    assert [row[1] for row in spool.rows(COPY)] == ["LOADED"]
    assert [row[1] for row in spool.rows(COPY)] == ["LOAD_SKIPPED"]
    put(spool, write(tmp_path / "b.parquet", first=10))
    assert sorted(row[1] for row in spool.rows(COPY)) == ["LOADED", "LOAD_SKIPPED"]
    assert spool.rows("SELECT COUNT(*) FROM log") == [(6,)]
    assert [row[1] for row in spool.rows(f"{COPY} FORCE = TRUE PURGE = TRUE")] == ["LOADED", "LOADED"]
    assert spool.stage_files() == []


def test_files_are_chosen_by_name_or_pattern(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    for number in range(3):
        put(spool, write(tmp_path / f"{number}.parquet", first=10 * number))
    named = COPY.replace("run-1", "run-1/worker-0 FILES = ('1.parquet')")
    assert [row[0] for row in spool.rows(named)] == ["spool/run-1/worker-0/1.parquet"]
    assert [row[0] for row in spool.rows(f"{COPY} PATTERN = '.*2[.]parquet'")] == ["spool/run-1/worker-0/2.parquet"]
    with pytest.raises(Error) as failed:
        spool.rows(COPY.replace("run-1", "run-1/worker-0 FILES = ('9.parquet')"))
    assert failed.value.errno == 91016
    assert spool.rows(COPY.replace("run-1", "run-2")) == [("Copy executed with 0 files processed.",)]


def test_a_file_that_is_there_is_kept_unless_it_is_to_be_overwritten(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    assert put(spool, write(path)) == "UPLOADED"
    assert put(spool, write(path, rows=4), overwrite=False) == "SKIPPED"
    assert [row[2] for row in spool.rows(COPY)] == [3]
    assert put(spool, path) == "UPLOADED"
    assert [row[2] for row in spool.rows(COPY)] == [4]


def test_a_stage_that_is_dropped_takes_its_files_along(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    put(spool, write(tmp_path / "a.parquet"))
    spool.rows("DROP STAGE spool")
    spool.rows("DROP STAGE IF EXISTS spool")
    for statement in ("DROP STAGE spool", "LIST @spool", f"PUT file://{tmp_path}/a.parquet @spool"):
        with pytest.raises(Error) as failed:
            spool.rows(statement)
        assert failed.value.errno == 2003
    spool.rows("CREATE STAGE spool")
    assert spool.rows("LIST @spool") == []


def test_copy_fails_and_then_succeeds_when_a_fault_says_so(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    put(spool, write(tmp_path / "a.parquet"))
    fault = spool.fault("error", pattern="^COPY INTO", code=100132, sqlstate="P0000", times=1)
    with pytest.raises(Error) as failed:
        spool.rows(COPY)
    assert failed.value.errno == 100132
    assert spool.rows("SELECT COUNT(*) FROM log") == [(0,)]
    assert [row[3] for row in spool.rows(COPY)] == [3]
    assert spool.strikes(fault) == 1


def test_copy_tells_the_rows_that_it_left_out(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    put(spool, write(tmp_path / "a.parquet"))
    spool.fault("lose_rows", pattern="^COPY INTO", rows=2)
    ((_, status, parsed, loaded, *_),) = spool.rows(COPY)
    assert (status, parsed, loaded) == ("PARTIALLY_LOADED", 3, 1)
    assert spool.rows("SELECT COUNT(*) FROM log") == [(1,)]


def test_an_upload_that_is_refused_fails_the_put(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    spool.fault("error", place="upload")
    with pytest.raises(Error):
        put(spool, write(tmp_path / "a.parquet"))
    assert spool.stage_files() == []


def test_an_upload_whose_connection_breaks_is_repeated(spool: SnowflakeDatabase, tmp_path: Path) -> None:
    fault = spool.fault("drop", place="upload", times=1)
    assert put(spool, write(tmp_path / "a.parquet")) == "UPLOADED"
    assert spool.strikes(fault) == 1
    assert len(spool.stage_files()) == 1
