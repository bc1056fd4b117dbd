"""The command line as a whole: usage, errors, and commands that need no run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.views.rows import config, figures, kind

from upperbound import __version__
from upperbound.cli import app as command_line
from upperbound.cli.app import main
from upperbound.cli.reference import reference_page
from upperbound.cli.runs import StatusChoice, wait_for_end
from upperbound.cli.store import Dialect
from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunFailed, TargetUnreachable
from upperbound.store.ddl import DIALECTS, ddl
from upperbound.store.engine import open_store
from upperbound.store.results import ParentResult
from upperbound.store.runs import NewRun
from upperbound.testing.manual_clock import ManualClock

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = ["demo", "run", "worker", "runs", "template", "store", "config", "doctor"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder with a home of the test's own."""
    for name in list(os.environ):
        if name.startswith("UPPERBOUND_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UPPERBOUND_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store_url(place: Path) -> str:
    return f"sqlite:///{place / 'home' / 'upperbound.db'}"


def add_run(place: Path, run_id: str, *, status: RunStatus = RunStatus.PREPARED) -> None:
    """Put a run into the store."""
    measured = figures({"UPDATE": kind([4_000] * 400)})
    with open_store(store_url(place)) as store:
        store.runs.create(NewRun(run_id, "Orders", config().model_dump(mode="json"), 2, threads=16))
        if status is RunStatus.PREPARED:
            return
        store.runs.transition(run_id, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        store.runs.mark_running(run_id, 0.0)
        if status is RunStatus.RUNNING:
            return
        store.results.finish_parent(
            run_id,
            ParentResult(2, 16, 400, 0, 0, 20.0, 20.0, measured.to_json(), {"rows": 400, "files": 2, "path": "/d"}),
        )
        store.runs.transition(run_id, expected=RunStatus.RUNNING, to=status, phase=Phase.COMPLETED)


def fails(capsys: pytest.CaptureFixture[str], code: int, message: str, *arguments: str, hint: str = "") -> None:
    """Check that a command fails in this way, with nothing on stdout and no traceback."""
    assert main(list(arguments)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert hint in err
    assert "Traceback" not in err


# Usage


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_no_arguments_is_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: upperbound" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"upperbound {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rnu"], "No such command 'rnu'", "see `upperbound --help`"),
        (["demo", "--wrokers", "2"], "--wrokers", "see `upperbound demo --help`"),
        (["demo", "--workers", "0"], "'--workers'", "see `upperbound demo --help`"),
        (["demo", "--threads", "many"], "'--threads'", "see `upperbound demo --help`"),
        (["demo", "--connections", "0"], "'--threads'", "see `upperbound demo --help`"),
        (["demo", "--port", "70000"], "'--port'", "see `upperbound demo --help`"),
        (["run"], "SCENARIO", "see `upperbound run --help`"),
        (["runs"], "Missing command", "see `upperbound runs --help`"),
        (["store", "ddl", "--dialect", "oracle"], "oracle", "see `upperbound store ddl --help`"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_where_help_is(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(capsys, 2, message, *arguments, hint=hint)


def test_help_loads_nothing_heavy() -> None:
    heavy = "'numpy', 'pyarrow', 'sqlalchemy', 'psycopg', 'pydantic', 'rich', 'yaml', 'alembic'"
    code = (
        "import sys; from upperbound.cli.app import main; main(['--help']);"
        f"sys.exit(', '.join(name for name in ({heavy}) if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Errors


def test_a_scenario_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    fails(
        capsys,
        2,
        "there is no scenario file nope.yaml",
        "run",
        "nope.yaml",
        hint="built-in scenarios: bulk-loading, demo",
    )


def test_every_problem_of_a_scenario_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "bad.yaml").write_text("name: Bad\ntarget: {kind: embedded}\nload: {treads: 4, duration_seconds: 0}\n")
    fails(capsys, 2, "treads", "run", "bad.yaml", hint="did you mean")
    main(["run", "bad.yaml"])
    err = capsys.readouterr().err
    assert "load.duration_seconds" in err
    assert "workload" in err


def test_bad_demo_figures_are_told_by_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    fails(capsys, 2, "load.duration_seconds", "demo", "--duration", "0")


def test_a_store_that_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    fails(capsys, 3, "127.0.0.1", "runs", "list", "--store", "postgresql://app@127.0.0.1:1/store")


def test_a_store_of_an_unknown_kind(capsys: pytest.CaptureFixture[str]) -> None:
    fails(capsys, 2, "oracle", "runs", "list", "--store", "oracle://x")


@pytest.mark.parametrize("arguments", [["--debug", "run", "x.yaml"], ["run", "x.yaml"]])
def test_a_traceback_is_shown_with_debug(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPPERBOUND_DEBUG", "1")
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "error: there is no scenario file x.yaml" in err


def test_a_settings_file_that_is_wrong_is_an_error_of_usage(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "upperbound.toml").write_text('stor = "x"')
    fails(capsys, 2, "unknown key", "config", hint="did you mean 'store'?")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            TargetUnreachable("no server at db:5432", hint="is it running?"),
            3,
            "error: no server at db:5432\nhint: is it",
        ),
        (ValueError("oops"), 4, "defect in Upperbound"),
        (KeyboardInterrupt(), 5, "cancelled"),
    ],
)
def test_what_a_command_raises_becomes_an_exit_code(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("upperbound.cli.running.carry_out", fail)
    assert main(["demo"]) == code
    assert message in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "upperbound.cli.app", "runs", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


# config


def test_config_prints_values_and_where_they_came_from(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPPERBOUND_STORE_PASSWORD", "hunter2")
    assert main(["config", "--store", "postgresql://app@db/x"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["home", "store", "store_password", "debug"]
    assert "postgresql://app@db/x" in lines[1]
    assert lines[1].endswith("(flag)")
    assert "hunter2" not in lines[2]
    assert lines[2].endswith("(UPPERBOUND_STORE_PASSWORD)")


def test_config_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["home"] == {"value": str(place / "home"), "source": "UPPERBOUND_HOME"}
    assert shown["store_password"] == {"value": None, "source": "default"}


# runs


def test_runs_are_listed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(place, "run-1", status=RunStatus.COMPLETED)
    add_run(place, "run-2")
    assert main(["runs", "list"]) == 0
    out = capsys.readouterr().out
    assert out.index("run-2") < out.index("run-1")
    assert main(["runs", "list", "--json", "--status", "completed"]) == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert (entry["run_id"], entry["total_operations"], entry["qps"]) == ("run-1", 400, 20.0)


def test_a_run_is_shown_by_the_begin_of_its_id(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(place, "20261123-aaa", status=RunStatus.COMPLETED)
    assert main(["runs", "show", "2026"]) == 0
    out = capsys.readouterr().out
    assert "run 20261123-aaa  COMPLETED" in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert main(["runs", "show", "2026", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_operations"] == 400


@pytest.mark.parametrize("command", ["show", "stop"])
def test_a_run_that_does_not_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    fails(capsys, 2, "there is no run 'nope'", "runs", command, "nope", hint="upperbound runs list")


def test_stopping_asks_through_the_store(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(place, "run-1", status=RunStatus.RUNNING)
    assert main(["runs", "stop", "run-1"]) == 0
    assert capsys.readouterr().out == "run run-1: CANCELLING\n"
    with open_store(store_url(place)) as store:
        assert [event.type for event in store.events.after("run-1")] == [EventType.STOP]
        assert "upperbound runs stop" in str(store.runs.get("run-1").cancellation_reason)


def test_stopping_a_run_that_was_never_started_cancels_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(place, "run-1")
    assert main(["runs", "stop", "run-1", "--wait"]) == 0
    assert capsys.readouterr().out == "run run-1: CANCELLED\n"


def test_stopping_a_run_that_has_ended_changes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(place, "run-1", status=RunStatus.COMPLETED)
    assert main(["runs", "stop", "run-1"]) == 0
    assert capsys.readouterr().out == "run run-1 had ended before: COMPLETED\n"


def test_waiting_ends_with_the_run(place: Path) -> None:
    add_run(place, "run-1", status=RunStatus.RUNNING)
    with open_store(store_url(place)) as store:

        class Ending(ManualClock):
            def sleep(self, seconds: float) -> None:
                store.runs.transition("run-1", expected=RunStatus.RUNNING, to=RunStatus.CANCELLED)

        assert wait_for_end(store, "run-1", Ending()) is RunStatus.CANCELLED


def test_waiting_gives_up_on_a_run_that_nobody_watches(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(place, "run-1", status=RunStatus.RUNNING)
    monkeypatch.setattr("upperbound.cli.runs.UNATTENDED_S", -1.0)
    with open_store(store_url(place)) as store, pytest.raises(RunFailed, match="no controller watches it"):
        wait_for_end(store, "run-1", ManualClock())


def test_every_status_can_be_listed() -> None:
    assert [choice.name for choice in StatusChoice] == [status.name for status in RunStatus]


# store


def test_a_store_is_made_and_checked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "check"]) == 2
    assert "differs  run_status" in capsys.readouterr().out
    assert main(["store", "init"]) == 0
    assert "tables made" in capsys.readouterr().out
    assert main(["store", "init"]) == 0
    assert "up to date already" in capsys.readouterr().out
    assert main(["store", "check"]) == 0
    assert "ok       run_status (" in capsys.readouterr().out


def test_the_statements_are_printed_or_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "ddl", "--dialect", "sqlite"]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in ddl("sqlite").values())
    assert main(["store", "ddl", "--dialect", "postgresql", "--output", "sql"]) == 0
    written = {path.name: path.read_text() for path in (place / "sql").iterdir()}
    assert written == ddl("postgresql")


def test_every_kind_of_store_can_be_asked_for() -> None:
    assert tuple(dialect.value for dialect in Dialect) == DIALECTS


# worker


def test_a_worker_has_exit_codes_of_its_own(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["worker", "--run-id", "x", "--worker-id", "w", "--worker-group-id", "0", "--worker-group-count", "1"]
    (place / "upperbound.toml").write_text('stor = "x"')
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_worker_whose_arguments_are_wrong_does_not_say_that_its_store_is_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails(capsys, 1, "--worker-id", "worker", "--run-id", "x", hint="see `upperbound worker --help`")


# Documentation


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert page == reference_page(), "run: python -m upperbound.cli.reference > docs/reference/cli.md"


def test_the_reference_page_has_every_command() -> None:
    page = reference_page()
    leaves = [*COMMANDS, "runs list", "runs show", "runs stop", "store init", "store check", "store ddl"]
    assert all(f"### `upperbound {name}`" in page for name in leaves)


def test_the_entry_point_is_the_module() -> None:
    assert command_line.main is main
