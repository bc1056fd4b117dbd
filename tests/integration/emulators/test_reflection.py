"""SQLAlchemy with its dialect for Snowflake, on the emulator."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from snowflake.sqlalchemy.custom_types import TIMESTAMP_NTZ
from snowflake.sqlalchemy.sql.custom_schema import HybridTable
from snowflake.sqlalchemy.util import _url as make_url
from tests.emulators.handle import SnowflakeDatabase


@pytest.fixture
def engine(snowflake: SnowflakeDatabase) -> Iterator[sa.Engine]:
    given = snowflake.connect_parameters()
    names = ("account", "user", "password", "database", "schema", "warehouse")
    rest = {name: given[name] for name in ("host", "port", "protocol")}
    rest["enable_server_session_keep_alive_auto_detection"] = False
    engine = sa.create_engine(make_url(**{name: given[name] for name in names}), connect_args=rest)
    yield engine
    engine.dispose()


def tables() -> tuple[sa.MetaData, sa.Table, sa.Table]:
    metadata = sa.MetaData()
    parent = HybridTable(
        "parent",
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", TIMESTAMP_NTZ, server_default=sa.func.current_timestamp()),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Index("ix_number", "number"),
    )
    child = sa.Table("child", metadata, sa.Column("parent_id", sa.Text, sa.ForeignKey("parent.id")))
    return metadata, parent, child


def test_tables_are_created_filled_and_dropped(engine: sa.Engine) -> None:
    metadata, parent, child = tables()
    metadata.create_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(parent.insert(), [{"id": "a", "number": 1}, {"id": "b", "number": 2}])
        connection.execute(child.insert(), {"parent_id": "a"})
        changed = connection.execute(parent.update().where(parent.c.id == "a").values(number=parent.c.number + 10))
        assert changed.rowcount == 1
    with engine.connect() as connection:
        joined = sa.select(parent.c.number, child.c.parent_id).join(child)
        assert connection.execute(joined).all() == [(11, "a")]
        assert connection.scalar(sa.select(sa.func.count()).where(parent.c.at.is_not(None))) == 2
    metadata.drop_all(engine)
    assert sa.inspect(engine).get_table_names() == []


def test_what_was_created_is_reflected(engine: sa.Engine) -> None:
    tables()[0].create_all(engine)
    inspected = sa.inspect(engine)
    assert sorted(inspected.get_table_names()) == ["child", "parent"]
    assert (inspected.has_table("parent"), inspected.has_table("other")) == (True, False)
    assert [(column["name"], column["nullable"]) for column in inspected.get_columns("parent")] == [
        ("id", False),
        ("at", True),
        ("number", False),
    ]
    assert inspected.get_pk_constraint("parent")["constrained_columns"] == ["id"]
    assert [key["referred_table"] for key in inspected.get_foreign_keys("child")] == ["parent"]
    assert [(index["name"], index["column_names"]) for index in inspected.get_indexes("parent")] == [
        ("ix_number", ["number"])
    ]
    reflected = sa.MetaData()
    reflected.reflect(engine)
    assert set(reflected.tables) == {"child", "parent"}


def test_a_transaction_that_fails_leaves_nothing(engine: sa.Engine) -> None:
    metadata, parent, _ = tables()
    metadata.create_all(engine)
    twice = parent.insert().values(id="a", number=1)

    def insert_twice() -> None:
        with engine.begin() as connection:
            connection.execute(twice)
            connection.execute(twice)

    with pytest.raises(sa.exc.ProgrammingError, match="200001"):
        insert_twice()
    with engine.connect() as connection:
        assert connection.execute(sa.select(parent)).all() == []
