"""A store of the first revision, made by the SQL that was checked in for it, comes to the present one with its rows."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.contract.store.conftest import engine_at
from tests.contract.store.test_schema import run_script

from upperbound.cli.app import main
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.run_state import RunStatus
from upperbound.errors import StoreNotMigrated
from upperbound.store.check import check_store
from upperbound.store.engine import init_store, open_store
from upperbound.store.logs import LogLine, LogWriter
from upperbound.store.migrate import HEAD_REVISION

SQL = Path(__file__).parent / "revision_0001"
RUN = (
    "INSERT INTO run_status (run_id, name, scenario_config, status, phase, total_workers_expected, worker_targets, "
    "status_changed_at, created_at, updated_at) VALUES ('run-1', 'old', '{}', 'COMPLETED', 'COMPLETED', 1, '{}', "
    "'2026-01-01 00:00:00.000', '2026-01-01 00:00:00.000', '2026-01-01 00:00:00.000')"
)


@pytest.fixture
def old_store_url(empty_store_url: str) -> str:
    """A store of revision 0001 that holds a run."""
    if empty_store_url.startswith("snowflake"):
        pytest.skip("not applicable: no store on Snowflake is older than revision 0006")
    engine = engine_at(empty_store_url)
    run_script(engine, [path.read_text() for path in sorted((SQL / engine.dialect.name).iterdir())])
    run_script(engine, [RUN])
    engine.dispose()
    return empty_store_url


def assert_is_current(url: str) -> None:
    assert check_store(url) == []
    with open_store(url, migrate=False) as store:
        run = store.runs.get("run-1")
        assert (run.name, run.status) == ("old", RunStatus.COMPLETED)
        line = LogLine(1, LogLevel.INFO, "x", "hello", store.now())
        assert store.logs.append_many(LogWriter("run-1", "w", LogSource.ORCHESTRATOR), [line]) == 1


def test_the_check_names_what_the_older_store_lacks(old_store_url: str) -> None:
    assert {str(finding) for finding in check_store(old_store_url)} == {
        f"upperbound_schema_version.version_num: is 0001, expected {HEAD_REVISION}",
        "test_logs: the table is missing",
        "find_max_step_history: the table is missing",
        "warehouse_poll_snapshots: the table is missing",
        "query_executions: the table is missing",
        "server_executions: the table is missing",
        "test_results.server_view: the column is missing",
        "run_status.template_version: the column is missing",
        "test_templates: the table is missing",
        "template_tags: the table is missing",
        "template_versions: the table is missing",
        "template_value_pools: the table is missing",
        "template_value_chunks: the table is missing",
        "run_value_pools: the table is missing",
    }


def test_a_file_migrates_on_opening_and_a_server_only_when_asked(old_store_url: str) -> None:
    if old_store_url.startswith("sqlite"):
        open_store(old_store_url).close()
    else:
        with pytest.raises(StoreNotMigrated, match=f"revision 0001, .* needs {HEAD_REVISION}") as caught:
            open_store(old_store_url)
        assert "upperbound store init" in caught.value.hint
        assert init_store(old_store_url) == "0001"
    assert_is_current(old_store_url)


def test_the_command_brings_it_to_date(old_store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "--store", old_store_url]) == 0
    out = capsys.readouterr().out
    assert f"tables brought from revision 0001, revision {HEAD_REVISION}" in out
    assert (urlsplit(old_store_url).password or "no password") not in out
    assert_is_current(old_store_url)


def test_a_worker_does_not_migrate(old_store_url: str) -> None:
    with pytest.raises(StoreNotMigrated, match="revision 0001"):
        open_store(old_store_url, migrate=False)
