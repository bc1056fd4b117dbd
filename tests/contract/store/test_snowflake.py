"""What a store on Snowflake has that no other has: hybrid tables, DDL that commits, sessions that end, logins."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.contract.store.conftest import engine_at
from tests.emulators.handle import HOST, PASSWORD, USER, WAREHOUSE, SnowflakeDatabase
from tests.emulators.way import way_to

from upperbound.cli.app import main
from upperbound.errors import StoreError, StoreNotMigrated, StoreUnreachable
from upperbound.store.address import parse_store_url
from upperbound.store.check import check_store
from upperbound.store.database import Database
from upperbound.store.ddl import control_statements, results_statements
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.history import RunFilter
from upperbound.store.migrate import HEAD_REVISION
from upperbound.store.runs import NewRun
from upperbound.store.snapshots import Snapshot
from upperbound.store.snowflake import connect
from upperbound.store.tables import worker_metrics_snapshots
from upperbound.testing.waiting import until

PASSPHRASE = "hush-passphrase"


def url_of(database: SnowflakeDatabase, login: str = f"{USER}:{PASSWORD}", **query: str | int) -> str:
    """Return the URL of a store in a database of the emulator."""
    place = {"host": HOST, "port": database.emulator.port, "protocol": "http", "warehouse": WAREHOUSE}
    return f"snowflake://{login}@emulator/{database.name}/PUBLIC?{urlencode(place | query)}"


@pytest.fixture
def url(snowflake: SnowflakeDatabase) -> str:
    """A store with its tables, in an account of its own."""
    made = url_of(snowflake)
    init_store(made)
    return made


@pytest.fixture
def opened(url: str) -> Iterator[Store]:
    with open_store(url) as store:
        yield store


def revision(database: SnowflakeDatabase) -> list[str]:
    return [str(row[0]) for row in database.rows("SELECT version_num FROM upperbound_schema_version")]


# Tables


def test_the_check_names_a_standard_control_table_and_a_missing_column(
    snowflake: SnowflakeDatabase, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_store(url) == []
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        standard = control_statements("snowflake")[2].replace("CREATE HYBRID TABLE IF NOT EXISTS", "CREATE TABLE")
        for statement in (
            "DROP TABLE worker_heartbeats",
            standard,
            "ALTER TABLE test_results DROP COLUMN qps",
            "ALTER TABLE test_results ADD COLUMN mine TEXT",
            "DROP INDEX run_status.ix_run_status_created_at",
            "DROP TABLE test_logs",
            "UPDATE upperbound_schema_version SET version_num = '0000'",
        ):
            cursor.execute(statement)
    assert {str(finding) for finding in check_store(url)} == {
        f"upperbound_schema_version.version_num: is 0000, expected {HEAD_REVISION}",
        "worker_heartbeats: is a standard table and must be a hybrid one: its keys and locks decide",
        "test_results.qps: the column is missing",
        "run_status: has no index on (created_at)",
        "test_logs: the table is missing",
    }
    assert main(["store", "check", "--store", url]) == 2
    shown = capsys.readouterr()
    assert "store_locks (2 columns)" in shown.out
    assert PASSWORD not in shown.out + shown.err


def test_tables_that_were_made_in_part_are_not_taken_for_whole_and_are_completed(snowflake: SnowflakeDatabase) -> None:
    url = url_of(snowflake)
    engine = engine_at(url)
    with engine.connect() as connection:
        for statement in (*control_statements("snowflake"), *results_statements("snowflake")[:3]):
            connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(StoreNotMigrated, match="has no tables of Upperbound"):
        open_store(url)
    assert init_store(url) is None
    assert check_store(url) == []
    assert revision(snowflake) == [HEAD_REVISION]


def test_a_store_of_an_earlier_revision_comes_to_the_present_one_and_may_be_cut_off_meanwhile(
    snowflake: SnowflakeDatabase, url: str
) -> None:
    with open_store(url) as store:
        store.runs.create(NewRun("run-1", "kept", {}, 1))
    with snowflake.connect() as connection:
        cursor = connection.cursor()
        # As it was before revision 0004; of that one the first statement and the first table have been carried out.
        for statement in (
            "DROP TABLE warehouse_poll_snapshots",
            *(f"DROP TABLE {name}" for name in ("template_value_pools", "template_value_chunks", "run_value_pools")),
            *(f"DROP TABLE {name}" for name in ("template_tags", "template_versions")),
            "UPDATE upperbound_schema_version SET version_num = '0003'",
        ):
            cursor.execute(statement)
    with pytest.raises(StoreNotMigrated, match=f"revision 0003, .* needs {HEAD_REVISION}"):
        open_store(url)
    assert init_store(url) == "0003"
    assert check_store(url) == []
    assert revision(snowflake) == [HEAD_REVISION]
    with open_store(url) as store:
        assert store.runs.get("run-1").name == "kept"


# Sessions


def test_every_statement_is_marked_as_the_stores_and_single_ones_take_one_round_trip(
    snowflake: SnowflakeDatabase, opened: Store
) -> None:
    opened.runs.create(NewRun("run-1", "x", {}, 1))
    before = len(snowflake.statements())
    opened.runs.get("run-1")
    opened.history.search(RunFilter(), limit=1)
    said = snowflake.statements()
    assert [statement["query_type"] for statement in said[before:]] == ["SELECT"] * 3
    assert {statement["query_tag"] for statement in said if statement["user_name"] == USER} == {"upperbound:store"}
    assert not any("MERGE" in statement["query_text"].upper() for statement in said)


def test_a_token_that_is_renewed_is_not_noticed_and_a_session_that_ends_is_replaced(
    snowflake: SnowflakeDatabase, opened: Store
) -> None:
    opened.runs.create(NewRun("run-1", "x", {}, 1))
    assert snowflake.expire_tokens() > 0
    assert opened.runs.get("run-1").name == "x"
    assert snowflake.expire_tokens(master=True) > 0
    with pytest.raises(StoreUnreachable, match="ended the session"):
        opened.runs.get("run-1")
    assert opened.runs.get("run-1").name == "x", "the next call connects anew"


def test_an_answer_that_is_lost_doubles_nothing(
    snowflake: SnowflakeDatabase, opened: Store, heartbeat: Callable[..., Heartbeat]
) -> None:
    opened.runs.create(NewRun("run-1", "x", {}, 1))
    opened.heartbeats.upsert(heartbeat())
    lost = snowflake.fault("drop_after", pattern="^UPDATE worker_heartbeats", times=1)
    opened.heartbeats.upsert(heartbeat())
    assert snowflake.strikes(lost) == 1
    assert opened.heartbeats.list("run-1")[0].heartbeat_count == 2


def test_a_lock_that_is_not_had_in_time_is_unreachable_and_nothing_was_written(
    snowflake: SnowflakeDatabase, opened: Store
) -> None:
    opened.runs.create(NewRun("run-1", "x", {}, 1))
    snowflake.fault("error", pattern="^UPDATE run_status", code=625, sqlstate="57014", times=1, message="lock timeout")
    with pytest.raises(StoreUnreachable, match="cannot be used now: lock timeout"):
        opened.runs.acquire_lease("run-1", "me", 60)
    assert opened.runs.get("run-1").lease_owner is None
    assert opened.runs.acquire_lease("run-1", "me", 60)


def test_a_transaction_that_was_cut_off_locks_nothing_for_longer_than_the_network_is_away(
    snowflake: SnowflakeDatabase, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snowflake holds for minutes what the transaction of a client that is gone has locked; this client comes back."""
    monkeypatch.setitem(connect._CLIENT, "request_timeout", 2)
    with way_to(snowflake.emulator.port) as way, contextlib.ExitStack() as cut:
        one, other = (Database(parse_store_url(at)) for at in (url_of(snowflake, port=way.port), url))
        with pytest.raises(StoreUnreachable), one.transaction(lock="shared") as connection:  # noqa: PT012 - cut within
            cut.enter_context(way.cut())
            connection.exec_driver_sql("SELECT 1")
        cut.close()
        # Waits for the lock as long as any call does.
        with other.transaction(lock="shared") as connection:
            connection.exec_driver_sql("SELECT 1")
        one.close()
        other.close()
    # What the first one changed was rolled back.
    assert snowflake.rows("SELECT taken FROM store_locks WHERE lock_name = 'shared'") == [(1,)]
    until(lambda: snowflake.counts()["open"] == 0, "no session is left behind")


def test_a_snapshot_that_was_written_twice_is_read_once(
    url: str, opened: Store, snapshot: Callable[..., Snapshot]
) -> None:
    """No key of a standard table is enforced: two statements at the very same moment may both insert."""
    opened.snapshots.write(snapshot())
    engine = engine_at(url)
    with engine.connect() as connection:
        row = dict(connection.execute(sa.select(worker_metrics_snapshots)).mappings().one())
        connection.execute(sa.insert(worker_metrics_snapshots), row)
        assert connection.execute(sa.select(sa.func.count()).select_from(worker_metrics_snapshots)).scalar() == 2
    engine.dispose()
    assert len(opened.snapshots.series("run-1")) == 1
    assert len(opened.snapshots.newest("run-1")) == 1
    assert len([mark for mark in opened.snapshots.marks("run-1") if mark.sequence]) == 1


# Logins


@pytest.fixture
def key_file(tmp_path: Path, snowflake: SnowflakeDatabase) -> Path:
    """The key of the user ANN, encrypted."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path / "key.p8"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSPHRASE.encode()),
        )
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    snowflake.set_user("ANN", public_key_pem=public.decode())
    return path


def test_a_key_pair_with_its_passphrase_in_the_environment_logs_in(
    snowflake: SnowflakeDatabase, url: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPPERBOUND_STORE_PASSWORD", PASSPHRASE)
    by_key = url_of(snowflake, "ANN", authenticator="SNOWFLAKE_JWT", private_key_file=str(key_file))
    with open_store(by_key) as store:
        assert store.url == by_key
        assert store.password is not None, "workers get it in their environment"
        store.now()
    assert snowflake.logins()[-1]["signature"] == "verified"


def test_a_token_is_read_from_its_file_at_each_login(snowflake: SnowflakeDatabase, url: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first-token")
    snowflake.set_user("ANN", access_tokens=["first-token", "second-token"])
    by_token = url_of(snowflake, "ANN", authenticator="PROGRAMMATIC_ACCESS_TOKEN", token_file_path=str(token))
    with open_store(by_token) as store:
        store.now()
        snowflake.set_user("ANN", access_tokens=["second-token"])
        token.write_text("second-token")
        snowflake.expire_tokens(master=True)
        with pytest.raises(StoreUnreachable):
            store.now()
        store.now()


def test_an_entry_of_connections_toml_is_enough(
    snowflake: SnowflakeDatabase, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "connections.toml"
    file.write_text(snowflake.connections_toml("prod"))
    file.chmod(0o600)
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    with open_store("snowflake://?connection_name=prod") as store:
        store.now()
    monkeypatch.setenv("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "prod")
    with open_store("snowflake://") as store:
        store.now()
    with pytest.raises(StoreError, match="other") as caught:
        open_store("snowflake://?connection_name=other")
    assert type(caught.value) is StoreError
    assert caught.value.hint


def test_a_refused_login_is_told_without_the_password(snowflake: SnowflakeDatabase, url: str) -> None:
    with pytest.raises(StoreError, match="refuses the login") as caught:
        open_store(url_of(snowflake, f"{USER}:hush"))
    assert type(caught.value) is StoreError
    assert "hush" not in str(caught.value)
    assert "UPPERBOUND_STORE_PASSWORD" in caught.value.hint


def test_a_host_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(StoreUnreachable, match="cannot be reached"):
        open_store("snowflake://me:hush@acc/db?host=127.0.0.1&port=1&protocol=http")


def test_a_schema_that_does_not_exist_is_named_in_the_advice(snowflake: SnowflakeDatabase) -> None:
    with pytest.raises(StoreError) as caught:
        init_store(url_of(snowflake).replace("/PUBLIC?", "/NOWHERE?"))
    assert type(caught.value) is StoreError
    assert "schema=NAME" in caught.value.hint
