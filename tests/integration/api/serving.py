"""A controller that serves: the real application on a real socket, and the runs it drives."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn
from tests.integration.orchestrator.conftest import OPERATIONS, RecordingLauncher

from upperbound.api.access.policy import AccessPolicy
from upperbound.api.app import create_app
from upperbound.api.prometheus import ControllerMetrics
from upperbound.api.services import ControllerServices
from upperbound.cli.running import keep_summary
from upperbound.clock import SystemClock
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.orchestrator.controller import Controller
from upperbound.orchestrator.service import Orchestrator
from upperbound.scenario.connection_url import split_password
from upperbound.store.engine import Store
from upperbound.testing.waiting import until

TOKEN: Final = "the-token-of-these-tests"
OPEN: Final = AccessPolicy(loopback=True)
ANSWER_S: Final = 60.0
"""How long a request may take on a machine that does other work as well."""


@dataclass
class Serving:
    """A server and what a test asks of it."""

    store: Store
    controller: Controller
    services: ControllerServices
    launcher: RecordingLauncher
    base_url: str
    target: str
    """The target's URL, password included."""
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        """Return a client, closed with the server."""
        client = httpx.Client(base_url=self.base_url, timeout=ANSWER_S, headers=dict(headers or {}))
        self.clients.append(client)
        return client

    @property
    def http(self) -> httpx.Client:
        """The first client."""
        return self.clients[0] if self.clients else self.client()

    @property
    def target_url(self) -> str:
        """The target's URL without its password."""
        return split_password(self.target).url

    @property
    def credentials(self) -> dict[str, str]:
        """What the target asks for."""
        return {"password": split_password(self.target).password or ""}

    def scenario(self, *, operations: list[dict[str, Any]] | None = None, workers: int = 2, **load: Any) -> Any:
        """Return a scenario on the target, as JSON."""
        return {
            "name": "over HTTP",
            "target": {"kind": "postgres", "url": self.target_url, "table": "public.orders"},
            "load": {"duration_seconds": 2} | load,
            "scaling": {"mode": "FIXED", "min_workers": workers, "min_threads": 3},
            "workload": {"operations": operations or OPERATIONS, "seed": 7},
            "tags": {"team": "data"},
        }

    def prepare(self, **what: Any) -> str:
        """Prepare a run and return its id."""
        body = {"scenario": self.scenario(**what), "credentials": self.credentials}
        answer = self.http.post("/api/runs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["run_id"])

    def start(self, run_id: str) -> None:
        """Start a prepared run."""
        answer = self.http.post(f"/api/tests/{run_id}/start")
        assert answer.status_code == 202, answer.text

    def get(self, path: str, **parameters: Any) -> Any:
        """Return what a path answers."""
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until_phase(self, run_id: str, phase: str) -> None:
        """Wait until a run is in a phase and has sent something."""

        def there() -> bool:
            row = self.store.runs.get(run_id)
            return row.phase == phase and row.total_ops > 0

        until(there, f"the run is in {phase}")

    def until_over(self, run_id: str) -> RunStatus:
        """Wait until a run has ended and its summary is kept; return how it ended."""

        def over() -> bool:
            owned = {run.run_id for run in self.controller.owned()}
            return self.store.runs.get(run_id).status in TERMINAL and run_id not in owned

        until(over, "the run has ended")
        return self.store.runs.get(run_id).status

    def finished(self, **what: Any) -> str:
        """Make a run and bring it to its end; return its id."""
        run_id = self.prepare(**what)
        self.start(run_id)
        assert self.until_over(run_id) is RunStatus.COMPLETED
        return run_id


@contextlib.contextmanager
def serving(store: Store, home: Path, target: str, policy: AccessPolicy = OPEN) -> Iterator[Serving]:
    """Lend a server; everything that it has started is gone afterwards."""
    clock, launcher = SystemClock(), RecordingLauncher()
    metrics = ControllerMetrics(store)

    def at_end(run_id: str) -> None:
        keep_summary(store, run_id)

    store.observe(clock, metrics.asked_store)
    controller = Controller(
        store,
        Orchestrator(store, launcher, clock, home, ticked=metrics.ticked),
        clock,
        at_end=at_end,
    )
    services = ControllerServices(store, controller, clock, home, metrics)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_app(services, policy), log_config=None, access_log=False, server_header=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="uvicorn")
        thread.start()
        port = listening.getsockname()[1]
        served = Serving(store, controller, services, launcher, f"http://127.0.0.1:{port}", target)
        try:
            until(lambda: server.started, "the server serves")
            yield served
        finally:
            for client in served.clients:
                client.close()
            server.should_exit = True
            thread.join(ANSWER_S)
            for handle in launcher.handles.values():
                handle.kill()
            until(lambda: all(handle.poll() is not None for handle in launcher.handles.values()), "no process is left")
            assert not thread.is_alive(), "the server has not ended"
