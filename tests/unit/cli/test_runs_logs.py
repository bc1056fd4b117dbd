"""What a user reads of a run's log, and how following it ends."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from upperbound.cli import runs_logs
from upperbound.cli.runs_logs import PATIENCE_S, Choice, LevelChoice, as_text, followed, logs, present
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunNotFound, StoreUnreachable
from upperbound.store.engine import Store, open_store
from upperbound.store.logs import LogLine, LogRow, LogWriter
from upperbound.store.runs import NewRun
from upperbound.testing.manual_clock import FIRST_MOMENT, ManualClock

RUN_ID = "20261123-101500-abc123"
WRITERS = [
    LogWriter(RUN_ID, "o", LogSource.ORCHESTRATOR),
    LogWriter(RUN_ID, "w0", LogSource.WORKER, "worker-0"),
    LogWriter(RUN_ID, "w1", LogSource.WORKER, "worker-1"),
]
app = typer.Typer()
app.command()(logs)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a command that names none, with a run in it."""
    monkeypatch.setenv("UPPERBOUND_HOME", str(tmp_path))
    monkeypatch.delenv("UPPERBOUND_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/upperbound.db") as opened:
        opened.runs.create(NewRun(RUN_ID, "Orders", {}, 2))
        yield opened


def say(store: Store, writer: int, number: int, message: str, level: LogLevel = LogLevel.INFO) -> None:
    store.logs.append_many(WRITERS[writer], [LogLine(number, level, "upperbound.x", message, FIRST_MOMENT)])


def end(store: Store, since_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run have ended so many seconds before."""
    store.runs.transition(RUN_ID, expected=RunStatus.PREPARED, to=RunStatus.CANCELLED, phase=Phase.COMPLETED)
    monkeypatch.setattr(runs_logs, "LINGER_S", -since_s)


def said(output: str) -> list[str]:
    return [line.split(maxsplit=4)[-1] for line in output.splitlines()]


@pytest.fixture
def filled(store: Store) -> Store:
    say(store, 0, 1, "created")
    say(store, 1, 1, "connected")
    say(store, 2, 1, "slow", LogLevel.WARNING)
    say(store, 2, 2, "broken", LogLevel.ERROR)
    return store


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["created", "connected", "slow", "broken"]),
        (["--level", "WARNING"], ["slow", "broken"]),
        (["--level", "error"], ["broken"]),
        (["--source", "orchestrator"], ["created"]),
        (["--source", "worker"], ["connected", "slow", "broken"]),
        (["--worker", "worker-0"], ["connected"]),
        (["--worker", "worker-1", "--level", "error"], ["broken"]),
        (["--worker", "worker-7"], []),
    ],
)
def test_lines_are_chosen(filled: Store, options: list[str], expected: list[str]) -> None:
    done = CliRunner().invoke(app, [RUN_ID[:11], *options])
    assert done.exit_code == 0
    assert said(done.output) == expected


def test_a_line_says_when_how_bad_and_who(filled: Store) -> None:
    assert CliRunner().invoke(app, [RUN_ID]).output.splitlines()[:3] == [
        "2026-01-01 00:00:00.000 INFO     orchestrator created",
        "2026-01-01 00:00:00.000 INFO     worker-0     connected",
        "2026-01-01 00:00:00.000 WARNING  worker-1     slow",
    ]


def test_programs_get_an_object_for_each_line(filled: Store) -> None:
    lines = [json.loads(line) for line in CliRunner().invoke(app, [RUN_ID, "--json"]).output.splitlines()]
    assert [line["message"] for line in lines] == ["created", "connected", "slow", "broken"]
    assert lines[2] | {"received_at": ""} == {
        "run_id": RUN_ID,
        "sequence": 3,
        "source": "worker",
        "worker_id": "worker-1",
        "level": "WARNING",
        "logger": "upperbound.x",
        "message": "slow",
        "logged_at": "2026-01-01T00:00:00+00:00",
        "received_at": "",
    }


def test_a_message_steers_no_terminal() -> None:
    row = LogRow(
        RUN_ID, 1, LogSource.WORKER, "worker-0", LogLevel.INFO, "x", "a\x1b[2Jb\n\tc\rd", FIRST_MOMENT, FIRST_MOMENT
    )
    assert as_text(row).endswith("a\N{REPLACEMENT CHARACTER}[2Jb\n\tc\N{REPLACEMENT CHARACTER}d")


def test_a_run_that_does_not_exist_is_named(store: Store) -> None:
    done = CliRunner().invoke(app, ["nope"])
    assert isinstance(done.exception, RunNotFound)


def test_a_long_log_is_read_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_logs, "PAGE", 3)
    lines = [LogLine(number, LogLevel.INFO, "x", str(number), FIRST_MOMENT) for number in range(1, 10)]
    store.logs.append_many(WRITERS[0], lines)
    assert [row.sequence for row in present(store, Choice(RUN_ID))] == list(range(1, 10))
    assert [row.sequence for row in present(store, Choice(RUN_ID), 7)] == [8, 9]


class Scripted(ManualClock):
    """A clock that lets something happen each time somebody waits, and fails when there is nothing more to wait for."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self._steps = list(steps)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._steps.pop(0)()


def test_following_shows_new_lines_until_the_run_has_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def end_with_last_words() -> None:
        end(store, 0.0, monkeypatch)
        say(store, 1, 3, "third")

    say(store, 0, 1, "first")
    clock = Scripted(lambda: None, lambda: say(store, 1, 2, "second"), end_with_last_words)
    assert [row.message for row in followed(store, Choice(RUN_ID), clock)] == ["first", "second", "third"]


def test_following_waits_for_the_last_words_of_a_run_that_has_just_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(store, -3600.0, monkeypatch)

    def speak_late() -> None:
        say(store, 0, 1, "late")
        monkeypatch.setattr(runs_logs, "LINGER_S", 0.0)

    assert [row.message for row in followed(store, Choice(RUN_ID), Scripted(speak_late))] == ["late"]


def test_following_outlasts_a_store_that_is_away_and_repeats_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = store.runs.get

    def away(_run_id: str) -> object:
        raise StoreUnreachable("the store is away")

    def back() -> None:
        monkeypatch.setattr(store.runs, "get", get)
        say(store, 0, 2, "second")
        end(store, 0.0, monkeypatch)

    say(store, 0, 1, "first")
    clock = Scripted(lambda: monkeypatch.setattr(store.runs, "get", away), lambda: None, back)
    assert [row.message for row in followed(store, Choice(RUN_ID), clock)] == ["first", "second"]

    monkeypatch.setattr(store.runs, "get", away)
    clock = Scripted(lambda: clock.advance(PATIENCE_S))
    with pytest.raises(StoreUnreachable):
        list(followed(store, Choice(RUN_ID), clock))


def test_ctrl_c_ends_it_quietly(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[LogRow]:
        yield from present(filled, Choice(RUN_ID))
        raise KeyboardInterrupt

    monkeypatch.setattr(runs_logs, "followed", interrupted)
    done = CliRunner().invoke(app, [RUN_ID, "--follow"])
    assert done.exit_code == 0
    assert said(done.output) == ["created", "connected", "slow", "broken"]


def test_every_level_can_be_asked_for() -> None:
    assert [choice.name for choice in LevelChoice] == [level.name for level in LogLevel]
    assert LogLevel.ERROR.and_above == (LogLevel.ERROR, LogLevel.CRITICAL)
    assert LogLevel.DEBUG.and_above == tuple(LogLevel)
