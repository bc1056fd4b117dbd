"""Worker processes on this machine: what they are given, what is kept of them, and how they end."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from upperbound.errors import WorkerFailed
from upperbound.launchers.base import WorkerHandle, WorkerSpec
from upperbound.launchers.local import LAST_LINES, LocalLauncher
from upperbound.store.engine import open_store
from upperbound.testing.waiting import until

SPEC = WorkerSpec("sqlite:////nowhere.db", "run-1", "worker-1", 1, 2)

STAND_IN = """#!{python}
import json, os, sys, signal
own_session = os.getsid(0) == os.getpid()
print(json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "session": own_session}}))
sys.stdout.flush()
print("to stderr", file=sys.stderr, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
if os.environ.get("UB_TEST_STAY"):
    while True:
        signal.pause()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is started in place of Python and tells what it was given."""
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def ended(worker: WorkerHandle) -> bool:
    return worker.poll() is not None


@pytest.mark.usefixtures("stand_in")
def test_a_worker_gets_its_place_its_environment_and_a_session_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UB_TEST_INHERITED", "from the command")
    monkeypatch.setenv("PGPASSWORD", "of another server")
    worker = LocalLauncher().launch(
        SPEC, environment={"PGPASSWORD": "s3cret", "UPPERBOUND_HOME": "here"}, log_file=tmp_path / "logs" / "w.log"
    )
    until(lambda: ended(worker), "the worker ends")
    said = json.loads((tmp_path / "logs" / "w.log").read_text().splitlines()[0])
    assert said["arguments"][:2] == ["-m", "upperbound.worker"]
    assert said["arguments"][2:] == SPEC.arguments()
    assert said["environment"]["PGPASSWORD"] == "s3cret"
    assert said["environment"]["UPPERBOUND_HOME"] == "here"
    assert said["environment"]["UB_TEST_INHERITED"] == "from the command"
    assert said["session"], "a Ctrl-C at the terminal would reach the worker"
    assert (worker.worker_id, worker.poll()) == ("worker-1", 0)


@pytest.mark.usefixtures("stand_in")
def test_output_and_errors_are_kept_and_a_relaunch_adds_to_them(tmp_path: Path) -> None:
    log = tmp_path / "w.log"
    for _ in range(2):
        worker = LocalLauncher().launch(SPEC, environment={}, log_file=log)
        until(partial(ended, worker), "the worker ends")
    assert log.read_text().count("to stderr") == 2
    assert worker.last_output().endswith("to stderr")


@pytest.mark.usefixtures("stand_in")
def test_only_the_last_lines_are_quoted_whatever_bytes_they_hold(tmp_path: Path) -> None:
    log = tmp_path / "w.log"
    worker = LocalLauncher().launch(SPEC, environment={}, log_file=log)
    until(lambda: ended(worker), "the worker ends")
    log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(100)))
    lines = worker.last_output().splitlines()
    assert len(lines) == LAST_LINES
    assert lines[-1].startswith("line 99")
    log.unlink()
    assert worker.last_output() == ""


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("how", "code"), [("terminate", 7), ("kill", -signal.SIGKILL)])
def test_a_worker_can_be_asked_and_made_to_end_and_asking_a_dead_one_does_nothing(
    tmp_path: Path, how: str, code: int
) -> None:
    log = tmp_path / "w.log"
    worker = LocalLauncher().launch(SPEC, environment={"UB_TEST_STAY": "1"}, log_file=log)
    until(lambda: "to stderr" in worker.last_output(), "it is up")
    os.kill(worker.pid, 0)
    assert worker.poll() is None
    getattr(worker, how)()
    until(lambda: ended(worker), "the worker ends")
    assert worker.poll() == code
    worker.terminate()
    worker.kill()
    assert worker.poll() == code


def test_a_program_that_cannot_be_started_is_an_error_that_names_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "not-there"))
    with pytest.raises(WorkerFailed, match=r"worker-1 cannot be started.*No such file"):
        LocalLauncher().launch(SPEC, environment={}, log_file=tmp_path / "w.log")


def test_a_log_that_cannot_be_written_is_an_error_that_names_the_worker(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(WorkerFailed, match=r"worker-1 cannot be started"):
        LocalLauncher().launch(SPEC, environment={}, log_file=tmp_path / "logs" / "w.log")


def test_a_real_worker_whose_arguments_are_wrong_exits_with_1() -> None:
    command = [sys.executable, "-m", "upperbound.worker", "--run-id", "run-1", "--worker-group-id", "first"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1, "2 would say that the store is unreachable"
    assert "--worker-group-id: invalid int value: 'first'" in ended.stderr


def test_a_real_worker_without_a_run_says_so_and_exits_with_1(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    open_store(url).close()
    spec = WorkerSpec(url, "no-such-run", "worker-0", 0, 1)
    environment = {"UPPERBOUND_HOME": str(tmp_path)}
    worker = LocalLauncher().launch(spec, environment=environment, log_file=tmp_path / "w.log")
    until(lambda: ended(worker), "the worker ends")
    assert worker.poll() == 1
    assert "there is no run 'no-such-run'" in worker.last_output()
    assert "Traceback" not in worker.last_output()
