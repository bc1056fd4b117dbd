"""A run from its scenario to its exit code: whatever happens, the user learns it and nothing is left behind."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.cli.fake_control import RUN_ID, FakeControl
from tests.unit.views.rows import SCENARIO

from upperbound.cli.exit_codes import ExitCode
from upperbound.cli.running import FORCING, STOPPING, RunOrder, carry_out
from upperbound.cli.settings import Settings
from upperbound.domain.run_state import RunStatus
from upperbound.errors import (
    ConfigurationError,
    RunFailed,
    StoreUnreachable,
    TargetMismatch,
    WorkerFailed,
)
from upperbound.orchestrator.pool_sampling import PoolWatcher
from upperbound.orchestrator.service import RunRequest
from upperbound.orchestrator.stopping import request_stop
from upperbound.scenario.loader import LoadedScenario, parse_scenario
from upperbound.store.engine import open_store
from upperbound.store.runs import RunRow
from upperbound.testing.waiting import until
from upperbound.views.run_summary import RunSummary


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    return Settings(home, f"sqlite:///{home / 'upperbound.db'}", debug=False, origins=())


def loaded(*overrides: str) -> LoadedScenario:
    return parse_scenario(SCENARIO, overrides)


def order(path: Path | None = None, *overrides: str, quiet: bool = False) -> RunOrder:
    return RunOrder(loaded(*overrides), path, quiet=quiet)


def run_in(settings: Settings) -> RunRow:
    """Return the run as the store knows it afterwards."""
    with open_store(settings.store_url) as store:
        return store.runs.get(RUN_ID)


# A run that completes


def test_the_result_is_printed_and_written(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = carry_out(order(tmp_path / "out.json"), settings, make_control=FakeControl().make)
    assert code == ExitCode.OK
    summary = RunSummary.model_validate_json((tmp_path / "out.json").read_text())
    assert (summary.run_id, summary.status, summary.qps) == (RUN_ID, RunStatus.COMPLETED, 50.0)
    out, err = capsys.readouterr()
    assert f"run {RUN_ID}  COMPLETED" in out
    assert "POINT_LOOKUP   60.00 %    60.00 %" in out
    assert "MEASUREMENT" in err
    assert "warning: the server is busy" in err


def test_the_summary_is_kept_with_the_run(settings: Settings, tmp_path: Path) -> None:
    carry_out(order(tmp_path / "out.json"), settings, make_control=FakeControl().make)
    with open_store(settings.store_url) as store:
        assert store.results.get(RUN_ID).summary == json.loads((tmp_path / "out.json").read_text())


def test_a_quiet_run_prints_its_result_and_warnings_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    carry_out(order(quiet=True), settings, make_control=FakeControl().make)
    out, err = capsys.readouterr()
    assert "COMPLETED" in out
    assert err == "warning: the server is busy\n"


def test_the_target_and_its_password_go_to_the_orchestrator_apart(settings: Settings) -> None:
    control = FakeControl()
    carry_out(RunOrder(loaded("target.url=postgresql://app:hunter2@db/shop")), settings, make_control=control.make)
    [request] = control.requests
    assert request.target_url == "postgresql://app@db/shop"
    assert request.password is not None
    assert request.password.get_secret_value() == "hunter2"


def test_warnings_of_the_scenario_are_shown(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(order(None, "target.url=postgresql://app:hunter2@db/shop"), settings, make_control=FakeControl().make)
    err = capsys.readouterr().err
    assert "warning: target.url holds a password" in err
    assert "hunter2" not in err


def test_a_missed_objective_has_its_exit_code(settings: Settings) -> None:
    assert carry_out(order(None, "slo={p95_ms: 1}"), settings, make_control=FakeControl().make) == 6


def test_a_saturated_generator_has_its_exit_code(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    control = FakeControl()
    control.busy_pct = 99.9
    assert carry_out(order(), settings, make_control=control.make) == 7
    assert "describe the generator, not the database" in capsys.readouterr().out


def test_what_the_orchestrator_logs_is_kept_with_the_run(settings: Settings) -> None:
    carry_out(order(), settings, make_control=FakeControl().make)
    assert (settings.home / "runs" / RUN_ID / "logs" / "orchestrator.log").is_file()


# Runs that fail


def test_a_failed_run_is_written_as_well(settings: Settings, tmp_path: Path) -> None:
    control = FakeControl(end=RunStatus.FAILED)
    assert carry_out(order(tmp_path / "out.json"), settings, make_control=control.make) == ExitCode.RUN_FAILED
    assert json.loads((tmp_path / "out.json").read_text())["status"] == "FAILED"


def test_a_path_that_cannot_be_written_is_noticed_before_anything_is_done(settings: Settings, tmp_path: Path) -> None:
    control = FakeControl()
    with pytest.raises(ConfigurationError, match="there is no folder"):
        carry_out(order(tmp_path / "missing" / "out.json"), settings, make_control=control.make)
    assert control.requests == []
    assert not settings.home.exists()


def test_a_file_that_becomes_unwritable_does_not_hide_the_result(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.json"
    control = FakeControl(middle=lambda *_: path.mkdir())
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        carry_out(order(path), settings, make_control=control.make)
    assert f"upperbound runs show {RUN_ID} --json" in caught.value.hint
    assert "COMPLETED" in capsys.readouterr().out


def test_a_scenario_that_does_not_fit_its_target_leaves_no_run(settings: Settings) -> None:
    control = FakeControl()
    control.create_error = TargetMismatch("the table is missing")
    with pytest.raises(TargetMismatch):
        carry_out(order(), settings, make_control=control.make)
    with open_store(settings.store_url) as store:
        assert store.runs.list() == []


def test_workers_that_cannot_be_launched_fail_the_run(settings: Settings, tmp_path: Path) -> None:
    control = FakeControl()

    def refuse(run_id: str) -> None:
        control.store.runs.transition(
            run_id, expected=RunStatus.PREPARED, to=RunStatus.FAILED, completion_reason="worker-0 cannot be started"
        )
        raise WorkerFailed("worker-0 cannot be started")

    control.start_run = refuse  # type: ignore[method-assign]  # one method of a fake
    assert carry_out(order(tmp_path / "out.json"), settings, make_control=control.make) == ExitCode.RUN_FAILED
    assert json.loads((tmp_path / "out.json").read_text())["failure_reason"] == "worker-0 cannot be started"


def test_a_run_that_another_controller_has_is_not_ours_to_sum_up(settings: Settings) -> None:
    control = FakeControl()
    control.start_error = RunFailed("run belongs to another controller")
    with pytest.raises(RunFailed):
        carry_out(order(), settings, make_control=control.make)
    assert run_in(settings).status is RunStatus.PREPARED


@pytest.mark.parametrize("error", [StoreUnreachable("the store is away"), ValueError("a defect")])
def test_whatever_else_goes_wrong_the_workers_are_told_to_stop(settings: Settings, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    with pytest.raises(type(error)):
        carry_out(order(), settings, make_control=FakeControl(middle=fail).make)
    assert run_in(settings).status is RunStatus.CANCELLING


# Signals


def pressing(times: int, then: Callable[[FakeControl], None]) -> Callable[[FakeControl, object], None]:
    """Return the middle of a run in which Ctrl-C is pressed so often."""

    def middle(control: FakeControl, _: object) -> None:
        for _number in range(times):
            signal.raise_signal(signal.SIGINT)
        then(control)

    return middle


def test_ctrl_c_stops_the_run_in_the_two_phase_way(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    control = FakeControl(middle=pressing(1, FakeControl.wait_for_stop))
    assert carry_out(order(tmp_path / "out.json"), settings, make_control=control.make) == ExitCode.CANCELLED
    assert control.forced == 0
    summary = json.loads((tmp_path / "out.json").read_text())
    assert (summary["status"], summary["cancellation_reason"]) == ("CANCELLED", "stopped by Ctrl-C")
    out, err = capsys.readouterr()
    assert STOPPING in err
    assert "CANCELLED: stopped by Ctrl-C" in out


def test_a_second_ctrl_c_forces_the_end(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    control = FakeControl(middle=pressing(2, FakeControl.wait_for_force))
    # What the first one asks for may still be on its way; the fake ends the run all the same.
    carry_out(order(), settings, make_control=control.make)
    assert control.forced
    assert FORCING in capsys.readouterr().err


def test_sigterm_is_a_first_ctrl_c(settings: Settings) -> None:
    def middle(control: FakeControl, _: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        control.wait_for_stop()

    assert carry_out(order(), settings, make_control=FakeControl(middle=middle).make) == ExitCode.CANCELLED
    assert run_in(settings).cancellation_reason == "stopped by SIGTERM"


def test_a_stop_before_the_start_cancels_the_run(settings: Settings, tmp_path: Path) -> None:
    control = FakeControl()
    start = control.start_run

    def start_later(run_id: str) -> None:
        signal.raise_signal(signal.SIGINT)
        until(lambda: control.store.runs.get(run_id).status is RunStatus.CANCELLED, "the end of the run")
        start(run_id)

    control.start_run = start_later  # type: ignore[method-assign]  # one method of a fake
    assert carry_out(order(tmp_path / "out.json"), settings, make_control=control.make) == ExitCode.CANCELLED
    assert json.loads((tmp_path / "out.json").read_text())["qps"] is None


def test_ctrl_c_before_there_is_a_run_interrupts(settings: Settings) -> None:
    control = FakeControl()

    def interrupted(request: RunRequest, watcher: PoolWatcher | None = None) -> str:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError(f"{request} was not interrupted")

    control.create_run = interrupted  # type: ignore[method-assign]  # one method of a fake
    with pytest.raises(KeyboardInterrupt):
        carry_out(order(), settings, make_control=control.make)


def test_a_stop_is_asked_for_until_the_store_hears_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def sometimes(store: object, run_id: str, initiated_by: str) -> RunStatus:
        calls.append(initiated_by)
        if len(calls) == 1:
            raise StoreUnreachable("the store is away")
        return request_stop(control.store, run_id, initiated_by)

    monkeypatch.setattr("upperbound.cli.running.request_stop", sometimes)
    monkeypatch.setattr("upperbound.cli.running._RETRY_S", 0.01)
    control = FakeControl(middle=pressing(1, FakeControl.wait_for_stop))
    assert carry_out(order(), settings, make_control=control.make) == ExitCode.CANCELLED
    assert calls == ["Ctrl-C", "Ctrl-C"]


# Showing


def test_a_display_that_cannot_read_the_store_does_not_stop_the_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def middle(control: FakeControl, on_tick: Callable[[RunRow], None]) -> None:
        row = control.store.runs.get(RUN_ID)
        with monkeypatch.context() as patch:

            def away(_: str) -> list[object]:
                raise StoreUnreachable("the store is away")

            patch.setattr(control.store.heartbeats, "list", away)
            on_tick(row)

    assert carry_out(order(), settings, make_control=FakeControl(middle=middle).make) == ExitCode.OK


def test_a_reader_that_has_gone_does_not_stop_the_run(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stderr", Gone())
    monkeypatch.setattr(sys, "stdout", Gone())
    assert carry_out(order(tmp_path / "out.json"), settings, make_control=FakeControl().make) == ExitCode.OK
    assert (tmp_path / "out.json").is_file()


def test_nothing_is_left_behind(settings: Settings) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    control = FakeControl()
    control.create_error = TargetMismatch("the table is missing")
    with pytest.raises(TargetMismatch):
        carry_out(order(), settings, make_control=control.make)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stop-")]
