"""The commands of the runbook for several workers work, in the order in which a reader types them.

The reader's server is the tests' own, ``RUN`` is the newest run, and what a run measures takes a second.
"""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import Place, Running

from upperbound.domain.run_state import RunStatus

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-several-workers.md"
EXAMPLE = ROOT / "examples" / "orders.yaml"
READERS_SERVER = "postgresql://app@db.example.com/"
WORKERS = 2


def commands() -> list[str]:
    """Return what the page tells its reader to type, in its order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def table_statements() -> str:
    """Return the statements that the example tells its reader to execute."""
    lines = re.findall(r"^#   (.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert lines[0].startswith("CREATE TABLE")
    return "\n".join(lines)


@pytest.fixture
def databases(database: Database) -> Iterator[dict[str, str]]:
    """The reader's databases by name: one with the example's table, and an empty one for the store."""
    names = {name: f"{name}_{secrets.token_hex(4)}" for name in ("shop", "bench")}
    with psycopg.connect(database.url_with_password, autocommit=True) as admin:
        for name in names.values():
            admin.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(database.server.url_with_password(names["shop"]), autocommit=True) as shop:
            for statement in table_statements().split(";"):
                shop.execute(statement.encode())
        yield names
        for name in names.values():
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def of_the_test(command: str, place: Place, database: Database, databases: dict[str, str]) -> str:
    """Put what the test has in place of what the page leaves to its reader."""
    base = database.url.rpartition("/")[0]
    for name, actual in databases.items():
        command = command.replace(f"{READERS_SERVER}{name}", f"{base}/{actual}")
    if " RUN" in command:
        command = command.replace(" RUN", f" {place.runs()[0].run_id}")
    if " run " in command and "load.duration_seconds" not in command:
        command += " --set load.duration_seconds=1 --set load.warmup_seconds=0"
    return command


def test_the_commands_of_the_runbook_work_one_after_the_other(
    place: Place, database: Database, databases: dict[str, str]
) -> None:
    (place.work / "examples").symlink_to(ROOT / "examples")
    environment = {**database.environment, "UPPERBOUND_STORE_PASSWORD": database.password}
    background: list[Running] = []
    typed = commands()
    assert {command.split()[1] for command in typed} == {"doctor", "store", "run", "runs"}

    for command in typed:
        text = of_the_test(command.removesuffix("&").strip(), place, database, databases)
        running = place.start_program(Path("/bin/bash"), "-c", f"exec {text}", environment=environment)
        if command.endswith("&"):
            run = place.measuring_run(running)
            assert len(place.workers()) == (1 if "AUTO" in command else WORKERS)
            background.append(running)
            continue
        outcome = running.wait(90.0)
        # 6 and 7 say that this machine was too busy for the example's objectives or for true figures.
        assert outcome.code in ((0, 6, 7) if " run " in text else (0,)), f"{text}\n{outcome.text}"
        if "--json" in text:
            summary = place.summary("result.json")
            assert (summary["status"], summary["worker_count"]) == (RunStatus.COMPLETED, WORKERS)
            assert sum(worker["operations"] for worker in summary["workers"]) == summary["total_operations"] > 0

    assert [stopped.wait().code for stopped in background] == [5, 5]
    assert place.runs()[0].run_id == run.run_id
    assert place.runs()[0].status is RunStatus.CANCELLED
    assert place.nothing_is_left(), place.leftovers()
    assert not place.files_that_hold(database.password)
