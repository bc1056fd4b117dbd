"""What the emulated history tells of statements."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.emulators.snowflake.history import COLUMNS, History, Record, aggregate, distribution, parameterized_hash

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record(elapsed_ms: int = 10, start: datetime = NOON, **fields: Any) -> Record:
    given: dict[str, Any] = {
        "query_id": "q",
        "query_text": "SELECT a FROM t WHERE id = 1",
        "query_type": "SELECT",
        "session_id": 1,
        "user_name": "U",
        "role_name": "R",
        "database_name": "D",
        "schema_name": "S",
        "warehouse_name": "W",
        "warehouse_size": "Small",
        "warehouse_type": "STANDARD",
        "cluster_number": 1,
        "query_tag": "tag",
        "start_time": start,
        "end_time": start + timedelta(milliseconds=elapsed_ms),
    }
    return Record(**(given | fields))


def test_short_statements_on_hybrid_tables_alone_are_left_out_when_told_so() -> None:
    history = History()
    short, long = record(elapsed_ms=10, hybrid_only=True), record(elapsed_ms=600, hybrid_only=True)
    failed, standard = record(hybrid_only=True, error_code=200001), record()
    for each in (short, long, failed, standard):
        history.add(each)
    assert history.shown() == [short, long, failed, standard]
    history.omit_hybrid_below_ms = 500
    assert history.shown() == [long, failed, standard]
    assert history.all() == [short, long, failed, standard]


def test_account_usage_lags_behind_by_as_much_as_it_is_told() -> None:
    history = History()
    history.delay_s = 60
    history.add(record())
    end = NOON + timedelta(milliseconds=10)
    assert history.settled(end + timedelta(seconds=59), history.all()) == []
    assert history.settled(end + timedelta(seconds=60), history.all()) == history.all()


def test_times_of_a_record_add_up() -> None:
    waited = record(elapsed_ms=100, queued_ms=30, blocked_ms=20, error_code=604, error_message="canceled")
    told = {name: value(waited) for name, _, value in COLUMNS}
    assert told["TOTAL_ELAPSED_TIME"] == 100
    assert told["QUEUED_OVERLOAD_TIME"] + told["TRANSACTION_BLOCKED_TIME"] + told["EXECUTION_TIME"] == 100
    assert (told["EXECUTION_STATUS"], told["ERROR_CODE"]) == ("FAIL", "000604")


def test_statements_are_aggregated_by_minute_session_tag_and_statement_without_its_literals() -> None:
    rows = aggregate(
        [
            record(elapsed_ms=10),
            record(elapsed_ms=30, query_text="select a from t where id = 2", start=NOON + timedelta(seconds=59)),
            record(start=NOON + timedelta(seconds=60)),
            record(query_tag="other"),
            record(session_id=2),
            record(query_text="SELECT b FROM t WHERE id = 1"),
        ]
    )
    assert [row["CALLS"] for row in rows] == [2, 1, 1, 1, 1]
    first = rows[0]
    assert (first["INTERVAL_START_TIME"], first["INTERVAL_END_TIME"]) == (NOON, NOON + timedelta(minutes=1))
    assert first["TOTAL_ELAPSED_TIME"]["sum"] == 40
    assert first["TOTAL_ELAPSED_TIME"]["median"] == 20


def test_errors_are_counted_in_the_aggregate() -> None:
    (row,) = aggregate(
        [record(), record(error_code=200001, error_message="exists"), record(error_code=200001, error_message="exists")]
    )
    assert row["ERRORS"] == [{"code": "200001", "message": "exists", "count": 2}]


def test_a_distribution_has_percentiles_between_its_values() -> None:
    told = distribution([float(value) for value in range(1, 102)])
    assert (told["min"], told["median"], told["p90"], told["p99"], told["max"]) == (1, 51, 91, 100, 101)
    assert told["p99.9"] == pytest.approx(100.9)
    assert told["avg"] == 51
    assert distribution([5.0])["stddev"] == 0


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("SELECT a FROM t WHERE b = 'x'", "select a\nfrom T where B = 'y'", False),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'y'", True),
        ("SELECT a FROM t WHERE b = ?", "SELECT a FROM t WHERE b = 5", True),
        ("SELECT a FROM t", "SELECT b FROM t", False),
        ("not parsable (", "not  parsable (", True),
    ],
)
def test_statements_that_differ_in_literals_alone_have_one_hash(left: str, right: str, same: bool) -> None:
    assert (parameterized_hash(left) == parameterized_hash(right)) is same
