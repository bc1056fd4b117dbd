"""The same command measures a server of one's own: PostgreSQL as Debian packages it, with pgbench's tables."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.acceptance.place import MEASURED, Outcome, Place
from tests.acceptance.query_log import QueryLog

from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import open_store
from upperbound.targets.embedded import server as embedded
from upperbound.targets.embedded.binaries import Binaries, ServerUser
from upperbound.targets.embedded.server import EmbeddedServer

pytestmark = pytest.mark.system_postgres

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pgbench-like.yaml"
SHORT = (
    *("--set", "load.duration_seconds=3", "--set", "load.warmup_seconds=0.5"),
    *("--set", "scaling.min_threads=4", "--json", "run.json"),
)


def debian_binaries() -> Binaries:
    """Return the newest of Debian's PostgreSQL programs."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*") if (path / "bin" / "postgres").exists()]
    return Binaries(max(versions, key=lambda path: int(path.name)) / "bin", "system")


@pytest.fixture(scope="module")
def debian_server() -> Iterator[EmbeddedServer]:
    """Debian's PostgreSQL with the tables that ``pgbench -i -s 10`` makes.

    It is started like an embedded one, so that it runs as an unprivileged user and cannot outlive this process.
    """

    def find_binaries(_user: ServerUser) -> Binaries:
        return debian_binaries()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "find_binaries", find_binaries)
        with EmbeddedServer(max_connections=50, settings={"fsync": "off", "full_page_writes": "off"}) as server:
            pgbench = debian_binaries().program("pgbench")
            command = [str(pgbench), "-i", "-q", "-s", "10", server.url_with_password()]
            subprocess.run(command, check=True, capture_output=True, timeout=90)
            yield server


def password_of(server: EmbeddedServer) -> str:
    return server.password.get_secret_value()


def assert_measured(place: Place, outcome: Outcome, server: EmbeddedServer, store_url: str | None = None) -> None:
    """Check that a run completed with true figures, and that neither output, store nor files hold the password."""
    summary = place.summary("run.json")
    assert outcome.code == (7 if summary["generator"]["client_bound"] else 0), outcome.text
    assert summary["status"] == RunStatus.COMPLETED
    assert summary["threads"] == 8
    assert summary["failed_operations"] == 0
    assert summary["by_kind"].keys() == {"POINT_LOOKUP", "RANGE_SCAN"}
    with psycopg.connect(server.url_with_password()) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    assert row[0].split()[0] in summary["environment"]["target_version"]
    folder = place.home / "runs" / summary["run_id"]
    log = QueryLog.of_store(store_url, summary["run_id"]) if store_url else QueryLog(folder)
    assert log.count() == summary["total_operations"] + summary["warmup_operations"] == summary["query_log"]["rows"]
    assert log.ask("SELECT DISTINCT kind, rows FROM log ORDER BY ALL DESC")[-1] == ("POINT_LOOKUP", 1)
    assert password_of(server) not in outcome.text
    assert not place.files_that_hold(password_of(server))
    assert place.nothing_is_left(), place.leftovers()


def test_the_example_runs_against_a_debian_postgresql(place: Place, debian_server: EmbeddedServer) -> None:
    outcome = place.run(
        *("run", str(EXAMPLE), "--set", f"target.url={debian_server.url}", *SHORT),
        environment={"PGPASSWORD": password_of(debian_server)},
    )
    assert "warning" not in outcome.text
    assert_measured(place, outcome, debian_server)


def test_a_password_in_the_url_is_used_warned_of_and_kept_nowhere(place: Place, debian_server: EmbeddedServer) -> None:
    outcome = place.run("run", str(EXAMPLE), "--set", f"target.url={debian_server.url_with_password()}", *SHORT)
    assert "warning: target.url holds a password" in outcome.text
    assert_measured(place, outcome, debian_server)


def test_the_store_may_be_a_postgresql_database(place: Place, debian_server: EmbeddedServer) -> None:
    with psycopg.connect(debian_server.url_with_password(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE store")
    store_url = f"{debian_server.url.rpartition('/')[0]}/store"
    environment: dict[str, str | None] = {"PGPASSWORD": password_of(debian_server)}
    store = ("--store", store_url)

    made = place.run("store", "init", *store, environment=environment)
    assert made.code == 0, made.text
    assert "tables made" in made.text
    checked = place.run("store", "check", *store, environment=environment)
    assert checked.code == 0, checked.text

    outcome = place.run(
        *("run", str(EXAMPLE), "--set", f"target.url={debian_server.url}", *SHORT, *store), environment=environment
    )
    assert_measured(place, outcome, debian_server, debian_server.url_with_password("store"))
    assert not (place.home / "upperbound.db").exists()

    summary = place.summary("run.json")
    run_id = summary["run_id"]
    kept = summary["query_log"]
    assert (kept["loaded_rows"], kept["files"], kept["problem"]) == (kept["rows"], 0, None)
    assert not list(place.home.rglob("*.parquet")), "what is loaded is no more in files"
    listed = place.run("runs", "list", *store, environment=environment)
    assert listed.code == 0
    assert run_id in listed.out
    shown = place.run("runs", "show", run_id[:-2], "--json", *store, environment=environment)
    assert shown.code == 0
    assert shown.out.strip() == (place.work / "run.json").read_text().strip()
    with open_store(debian_server.url_with_password("store")) as opened:
        assert opened.runs.get(run_id).status is RunStatus.COMPLETED
        assert [child.status for child in opened.results.children(run_id)] == ["COMPLETED", "COMPLETED"]


def test_the_demo_and_a_postgresql_store_each_get_their_own_password(
    place: Place, debian_server: EmbeddedServer
) -> None:
    with psycopg.connect(debian_server.url_with_password(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE demo_store")
    store = ("--store", f"{debian_server.url.rpartition('/')[0]}/demo_store")
    environment: dict[str, str | None] = {"PGPASSWORD": password_of(debian_server)}
    assert place.run("store", "init", *store, environment=environment).code == 0

    short = ("--duration", "1", "--warmup", "0", "--threads", "1")
    outcome = place.run("demo", *short, *store, environment=environment)

    assert outcome.code in MEASURED, outcome.text
    assert "COMPLETED" in outcome.text
    assert place.nothing_is_left(), place.leftovers()
