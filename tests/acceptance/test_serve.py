"""The controller as its user starts, reaches, ends and loses it; and what the page about it tells to type."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import DEADLINE_S, Place, Running, until
from tests.acceptance.scenarios import items_scenario

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-the-controller.md"
PAGES_ADDRESS = "http://127.0.0.1:8000"
TOKEN = {"UPPERBOUND_AUTH_TOKEN": "a-token-for-these-tests"}


class Controller:
    """A controller that serves."""

    def __init__(self, place: Place, *arguments: str, environment: Mapping[str, str | None] | None = None) -> None:
        self.command: Running = place.start("serve", "--port", "0", *arguments, environment=environment)
        assert until(lambda: self._address() is not None or self.command.process.poll() is not None)
        self.address = self._address() or ""
        assert self.address, self.command.so_far()

    def _address(self) -> str | None:
        found = re.search(r"listens on (http://\S+:\d+);", self.command.so_far())
        return found[1] if found else None

    def get(self, path: str) -> Any:
        answer = httpx.get(self.address + path, timeout=DEADLINE_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = httpx.post(self.address + path, json=body, timeout=DEADLINE_S)
        assert answer.status_code in (201, 202), answer.text
        return answer.json()

    def until(self, run_id: str, **wanted: str) -> dict[str, Any]:
        """Wait until a run is as wanted, and return it."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.get(f"/api/tests/{run_id}"))
            return all(found[name] == value for name, value in wanted.items())

        assert until(there), f"{found.get('status')} {found.get('phase')}\n{self.command.so_far()}"
        return found


def scenario(database: Database, seconds: float) -> str:
    """Return a scenario on the test's database that measures for so long."""
    return items_scenario(database.url, {"load.duration_seconds": seconds})


def prepared(controller: Controller, database: Database, seconds: float) -> str:
    """Prepare a run on the test's database and return its id."""
    body = {"scenario": scenario(database, seconds), "credentials": {"password": database.password}}
    return str(controller.post("/api/runs", body)["run_id"])


def test_a_run_from_the_first_request_to_ctrl_c(place: Place, database: Database) -> None:
    controller = Controller(place)
    run_id = prepared(controller, database, 1)
    controller.post(f"/api/tests/{run_id}/start")
    run = controller.until(run_id, status="COMPLETED", phase="COMPLETED")
    assert run["summary"]["total_operations"] > 0
    shown = place.run("runs", "show", run_id, "--json")
    assert shown.code == 0
    assert f'"run_id": "{run_id}"' in shown.out
    controller.command.interrupt()
    ended = controller.command.wait()
    assert ended.code == 0, ended.text
    assert "Traceback" not in ended.text
    assert place.nothing_is_left(), place.leftovers()
    assert database.is_free()


@pytest.mark.parametrize("end", ["interrupt", "terminate"])
def test_the_end_of_a_controller_stops_what_would_lose_its_server_and_leaves_nothing(place: Place, end: str) -> None:
    controller = Controller(place)
    run_id = controller.post("/api/tests/from-template/demo", {"overrides": ["load.duration_seconds=600"]})["run_id"]
    controller.post(f"/api/tests/{run_id}/start")
    controller.until(run_id, status="RUNNING")
    getattr(controller.command, end)()
    ended = controller.command.wait()
    assert ended.code == 0, ended.text
    assert [run.status.value for run in place.runs()] == ["CANCELLED"]
    assert place.nothing_is_left(), place.leftovers()


def test_a_run_survives_the_death_of_its_controller(place: Place, database: Database) -> None:
    first = Controller(place)
    run_id = prepared(first, database, 8)
    first.post(f"/api/tests/{run_id}/start")
    first.until(run_id, status="RUNNING", phase="MEASUREMENT")
    first.command.kill()
    first.command.wait()
    assert place.workers(), "the workers go on"
    second = Controller(place)
    run = second.until(run_id, status="COMPLETED", phase="COMPLETED")
    summary = run["summary"]
    assert summary["query_log"]["rows"] >= summary["total_operations"] > 0
    assert summary["query_log"]["problem"] is None
    second.command.interrupt()
    assert second.command.wait().code == 0
    assert place.nothing_is_left(), place.leftovers()


def test_a_run_of_the_command_line_is_seen_and_stopped_over_http(place: Place, database: Database) -> None:
    file = place.write("long.yaml", scenario(database, 600))
    command = place.start("run", str(file), "--quiet", environment=database.environment)
    run_id = place.measuring_run(command).run_id
    controller = Controller(place)
    seen = controller.until(run_id, status="RUNNING")
    assert not seen["owned_here"]
    controller.post(f"/api/tests/{run_id}/stop")
    assert command.wait().code == 5
    controller.until(run_id, status="CANCELLED")
    controller.command.interrupt()
    controller.command.wait()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_reach_is_refused_without_a_token(place: Place, host: str) -> None:
    refused = place.run("serve", "--host", host)
    assert refused.code == 2
    assert "can be reached from other machines" in refused.err
    assert "UPPERBOUND_AUTH_TOKEN" in refused.err


def test_a_port_that_is_taken_is_named(place: Place) -> None:
    controller = Controller(place)
    port = controller.address.rpartition(":")[2]
    refused = place.run("serve", "--port", port)
    assert (refused.code, f"port {port} of 127.0.0.1 is taken" in refused.err) == (2, True)
    controller.command.interrupt()
    controller.command.wait()


def test_a_token_is_asked_for_and_never_shown(place: Place) -> None:
    controller = Controller(place, environment=TOKEN)
    assert httpx.get(controller.address + "/api/tests").status_code == 401
    secret = TOKEN["UPPERBOUND_AUTH_TOKEN"]
    allowed = httpx.get(controller.address + "/api/tests", headers={"authorization": f"Bearer {secret}"})
    assert allowed.status_code == 200
    controller.command.interrupt()
    assert controller.command.wait().code == 0
    assert place.files_that_hold(secret) == []


def test_the_page_of_the_api_needs_nothing_from_elsewhere(place: Place) -> None:
    controller = Controller(place)
    page = httpx.get(controller.address + "/api/docs").text
    assert re.findall(r"(?:src|href)=\"(?!/)", page) == []
    for asset in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page):
        answer = httpx.get(controller.address + asset)
        assert answer.status_code == 200, asset
        assert len(answer.content) > 100
    controller.command.interrupt()
    controller.command.wait()


def page_commands() -> list[str]:
    """Return what the page tells its reader to send to the controller on their own machine."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("curl ") and PAGES_ADDRESS in line]


@pytest.mark.skipif(shutil.which("curl") is None, reason="tool missing: curl is not installed")
def test_the_requests_of_the_page_work_as_they_stand_there(place: Place, database: Database) -> None:
    commands = page_commands()
    assert len(commands) == 4
    controller = Controller(place, environment=database.environment)
    place.write("scenario.yaml", scenario(database, 1))
    run_id = ""
    for command in commands:
        typed = command.replace(PAGES_ADDRESS, controller.address).replace("RUN", run_id or "RUN")
        sent = subprocess.run(
            [*shlex.split(typed), "--silent", "--show-error", "--fail-with-body"],
            cwd=place.work,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert sent.returncode == 0, f"{typed}\n{sent.stdout}{sent.stderr}"
        run_id = run_id or str(json.loads(sent.stdout)["run_id"])
    controller.command.interrupt()
    controller.command.wait()
    assert place.nothing_is_left(), place.leftovers()
