"""Statements for Snowflake: rows are locked where they can be, nothing is merged, and limits are written out."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

from upperbound.store.dialects import OneStatement, insert_new, json_part, json_text, upsert
from upperbound.store.snowflake.dialect import StoreDialect
from upperbound.store.snowflake.hybrid import HYBRID_NAMES, HYBRID_TABLES
from upperbound.store.snowflake.writes import InsertNew, UpdateOrInsert
from upperbound.store.tables import CONTROL_TABLES, RESULTS_TABLES, run_status, test_results, test_templates
from upperbound.store.types import plus_seconds, seconds_between, store_now

DIALECT = StoreDialect(paramstyle="qmark")


def written(statement: Executable) -> str:
    compiled = statement.compile(  # type: ignore[attr-defined]  # what is executable can be compiled
        dialect=DIALECT, compile_kwargs={"render_postcompile": True}
    )
    return " ".join(str(compiled).split())


def test_control_tables_are_hybrid_and_results_tables_standard() -> None:
    assert {table.name for table in CONTROL_TABLES} < HYBRID_NAMES
    assert not {table.name for table in RESULTS_TABLES} & HYBRID_NAMES
    for table in (*HYBRID_TABLES, *RESULTS_TABLES):
        text = written(sa.schema.CreateTable(table))
        hybrid = table.name in HYBRID_NAMES
        assert text.startswith(f"CREATE {'HYBRID TABLE' if hybrid else 'TABLE'} IF NOT EXISTS {table.name} (")
        assert text.count("INDEX ix_") == (len(table.indexes) if hybrid else 0)
        assert "CASCADE" not in text
        assert "VARIANT" not in text, "an object would not keep the order of its keys"
        assert "TIMESTAMP_TZ" not in text, "no index takes it"


def test_rows_of_hybrid_tables_are_locked_and_of_standard_ones_cannot_be() -> None:
    locked = sa.select(run_status.c.lease_owner).where(run_status.c.run_id == "r").with_for_update()
    assert written(locked).endswith("WHERE run_status.run_id = ? FOR UPDATE WAIT 20")
    standard = sa.select(test_templates.c.name).with_for_update()
    assert "FOR UPDATE" not in written(standard)


def test_numbers_of_rows_are_written_into_the_text() -> None:
    query = sa.select(run_status.c.run_id)
    assert written(query.limit(7).offset(14)).endswith("LIMIT 7 OFFSET 14")
    assert "?" not in written(query.limit(1))


class Recorder:
    """Stands for a connection: notes each statement, and says how many rows it has touched."""

    def __init__(self, *touched: int) -> None:
        self.touched, self.statements = list(touched), list[str]()

    def execute(self, statement: Executable, _values: object = None) -> Any:
        self.statements.append(written(statement))
        return type("Result", (), {"rowcount": self.touched.pop(0)})


def child(**conditions: Any) -> UpdateOrInsert:
    made = upsert(
        "snowflake",
        test_results,
        {"test_id": "t", "run_id": "r", "figures": {"b": 1, "a": 2}},
        keys=("test_id",),
        on_insert={"created_at": store_now()},
        on_update={"updated_at": store_now()},
        **conditions,
    )
    assert isinstance(made, UpdateOrInsert)
    return made


@pytest.mark.parametrize(
    ("touched", "expected"),
    [((1,), ["UPDATE"]), ((0, 1), ["UPDATE", "INSERT"]), ((0, 0, 1), ["UPDATE", "INSERT", "UPDATE"])],
)
def test_a_row_is_updated_else_inserted_else_updated(touched: tuple[int, ...], expected: list[str]) -> None:
    recorder = Recorder(*touched)
    assert child().run(recorder, None) == 1  # type: ignore[arg-type]  # as much of a connection as is used
    assert [statement.split()[0] for statement in recorder.statements] == expected


def test_an_insert_looks_for_its_key_in_the_same_statement() -> None:
    recorder = Recorder(1)
    made = insert_new("snowflake", test_results, {"test_id": "t", "run_id": "r"})
    assert isinstance(made, InsertNew)
    made.run(recorder)  # type: ignore[arg-type]  # as much of a connection as is used
    (text,) = recorder.statements
    assert text.startswith("INSERT INTO test_results (test_id, run_id) SELECT ? AS ")
    assert "WHERE NOT (EXISTS (SELECT 1 FROM test_results WHERE test_results.test_id = ?))" in text
    assert "MERGE" not in text


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_other_stores_write_one_statement(dialect: str) -> None:
    made = insert_new(dialect, test_results, {"test_id": "t"})
    assert isinstance(made, OneStatement)
    assert str(made.statement).endswith("ON CONFLICT DO NOTHING")


def test_times_are_the_stores_own_arithmetic_in_utc() -> None:
    assert written(sa.select(store_now())).startswith("SELECT CONVERT_TIMEZONE('UTC', CURRENT_TIMESTAMP())")
    between = written(sa.select(seconds_between(run_status.c.end_time, run_status.c.start_time)))
    assert "TIMESTAMPDIFF('microsecond', (run_status.start_time)" in between
    later = written(sa.select(plus_seconds(run_status.c.start_time, sa.bindparam("s", 1.5, sa.Double()))))
    assert "TIMESTAMPADD('microsecond', ROUND((?)::DOUBLE * 1000000)::BIGINT" in later


def test_a_moment_is_bound_and_read_as_utc_without_a_zone() -> None:
    kind = run_status.c.created_at.type
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert kind.process_bind_param(moment, DIALECT) == moment.replace(tzinfo=None)  # type: ignore[attr-defined]
    assert kind.process_result_value(moment.replace(tzinfo=None), DIALECT) == moment  # type: ignore[attr-defined]


def test_a_place_in_a_document_is_looked_up_in_its_text() -> None:
    column = run_status.c.scenario_config
    place = "get_path(try_parse_json(run_status.scenario_config), 'scenario.tags')"
    assert place in written(sa.select(json_text("snowflake", column, "scenario", "tags"))).lower()
    assert f"to_json({place})" in written(sa.select(json_part("snowflake", column, "scenario", "tags"))).lower()
