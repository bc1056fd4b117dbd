"""A controller as a user starts it, and what a test asks of it beside a browser."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from upperbound.clock import SystemClock
from upperbound.testing.waiting import until

CLOCK = SystemClock()
DEADLINE_S = 60.0
"""For what is bound to happen, also on a machine that does other work as well."""
SCRIPT = Path(__file__).with_name("counted_server.py")
CONTROLLERS_OWN = re.compile(r"adoption|run \d|.*heartbeat|.*log")
"""Threads that look after runs, whether or not anybody looks at a page."""


class Controller:
    """The process; its data is in a folder that everybody may enter, as an embedded server of root is another user."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ub-browser-", dir="/tmp"))
        self.root.chmod(0o755)
        self._out = self.root / "serve.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("UPPERBOUND_", "PG"))},
            "UPPERBOUND_HOME": str(self.root / "home"),
            **(environment or {}),
        }
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT), "serve", "--port", "0"],
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        until(lambda: self._address() or self._process.poll() is not None, "the controller listens", DEADLINE_S)
        assert self._address(), f"the controller did not start\n{self.said}"
        self.url = self._address()
        self.client = httpx.Client(base_url=self.url, timeout=DEADLINE_S)

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._out.read_text("utf-8", "replace")

    def _address(self) -> str:
        found = re.search(r"listens on (http://\S+);", self.said)
        return found[1] if found else ""

    def close(self) -> None:
        """End it, and remove its data."""
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self.root, ignore_errors=True)

    # Over HTTP --------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """Return what a path answers."""
        answer = self.client.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        """Send a command and return its answer."""
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def prepare(self, scenario: Mapping[str, Any]) -> str:
        """Prepare a run of a scenario, and return its id."""
        run_id: str = self.post("/api/runs", {"scenario": scenario})["run_id"]
        return run_id

    def start(self, run_id: str) -> None:
        """Start a prepared run."""
        self.post(f"/api/tests/{run_id}/start")

    def state(self, run_id: str) -> tuple[str, str]:
        """Return a run's status and phase."""
        run = self.get(f"/api/tests/{run_id}")
        return run["status"], run["phase"]

    def wait_until_over(self, run_id: str) -> str:
        """Wait until a run has ended and is processed; return its status."""
        until(lambda: self.get(f"/api/tests/{run_id}")["is_terminal"], f"the end of run {run_id}", DEADLINE_S)
        return self.state(run_id)[0]

    def finished(self, scenario: Mapping[str, Any]) -> str:
        """Make a run, and return its id when it is over."""
        run_id = self.prepare(scenario)
        self.start(run_id)
        self.wait_until_over(run_id)
        return run_id

    def counts(self) -> "Counts":
        """Return what has reached the controller and its store so far, but for what looks after runs."""
        return Counts(self.client.get("/counts").json())


class Counts:
    """What has been counted up to one moment."""

    def __init__(self, counted: Mapping[str, Any]) -> None:
        self.requests: dict[str, int] = counted["requests"]
        self.viewers: int = counted["viewers"]
        self.statements: dict[str, int] = {
            name: number for name, number in counted["statements"].items() if not CONTROLLERS_OWN.match(name)
        }

    def since(self, earlier: "Counts") -> dict[str, int]:
        """Return what has come in between."""
        both = {**self.requests, **self.statements}
        before = {**earlier.requests, **earlier.statements}
        return {name: number - before.get(name, 0) for name, number in both.items() if number != before.get(name, 0)}


def scenario(name: str = "Browser", *, seconds: float = 4, warmup: float = 1, **changes: Any) -> dict[str, Any]:
    """Return a small run on an embedded server that leaves most of the machine to others."""
    return {
        "name": name,
        "target": {"kind": "embedded", "rows": 1000},
        "load": {
            "mode": "CONCURRENCY",
            "warmup_seconds": warmup,
            "duration_seconds": seconds,
            "think_time_ms": 5,
        },
        "scaling": {"mode": "FIXED", "min_workers": 2, "min_threads": 2},
        "workload": {
            "operations": [
                {
                    "kind": "POINT_LOOKUP",
                    "weight_pct": 80,
                    "sql": "SELECT status FROM {table} WHERE id = $1",
                    "params": [{"range": [1, 1000]}],
                },
                {
                    "kind": "UPDATE",
                    "weight_pct": 20,
                    "sql": "UPDATE {table} SET status = $2 WHERE id = $1",
                    "params": [{"range": [1, 1000]}, {"choice": ["new", "paid"]}],
                },
            ]
        },
        "slo": {"p95_ms": 1000},
        "tags": {"team": "browser"},
        **changes,
    }


def read_only(**changes: Any) -> dict[str, Any]:
    """Return the same without its writes."""
    made = scenario("Only reads", **changes)
    (lookup, _) = made["workload"]["operations"]
    return {**made, "workload": {"operations": [{**lookup, "weight_pct": 100}]}}
