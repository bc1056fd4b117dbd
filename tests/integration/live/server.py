"""A whole controller in this process: its API on a real socket, real workers, a real target."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from upperbound.api.access.policy import AccessPolicy
from upperbound.api.app import create_app
from upperbound.api.live.hub import LiveHub
from upperbound.api.live.protocol import ViewerProtocol
from upperbound.api.live.pushes import LivePushes
from upperbound.api.prometheus import ControllerMetrics
from upperbound.api.services import ControllerServices
from upperbound.clock import SystemClock
from upperbound.launchers.base import Launcher
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.controller import Controller
from upperbound.orchestrator.service import Orchestrator
from upperbound.store.engine import Store
from upperbound.testing.waiting import until


class Serving:
    """A controller that serves."""

    def __init__(self, store: Store, home: Path, port: int, launcher: Launcher, policy: AccessPolicy) -> None:
        self.store, self.port = store, port
        clock = SystemClock()
        self.pushes = LivePushes(clock, f"http://127.0.0.1:{port}")
        orchestrator = Orchestrator(store, launcher, clock, home, worker_environment=self.pushes.environment)
        self.controller = Controller(store, orchestrator, clock)
        services = ControllerServices(
            store, self.controller, clock, home, metrics=ControllerMetrics(store), pushes=self.pushes
        )
        self.app = create_app(services, policy)

    @property
    def hub(self) -> LiveHub:
        """What lets viewers watch."""
        live: LiveHub = self.app.state.live
        return live

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def watching(self, run_id: str) -> str:
        """Return where a run is watched."""
        return f"ws://127.0.0.1:{self.port}/ws/test/{run_id}"


def free_port() -> int:
    """Return a port that nobody has at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def serving(
    store: Store,
    home: Path,
    *,
    port: int = 0,
    launcher: Launcher | None = None,
    policy: AccessPolicy | None = None,
    **options: Any,
) -> Iterator[Serving]:
    """Lend a controller that serves until the end of the body, on ``port`` or on any."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()
        made = Serving(
            store,
            home,
            listening.getsockname()[1],
            launcher or LocalLauncher(),
            policy or AccessPolicy(loopback=True),
        )
        config = uvicorn.Config(
            made.app, log_config=None, access_log=False, ws=ViewerProtocol, timeout_graceful_shutdown=5, **options
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
        thread.start()
        try:
            until(lambda: server.started, "the server has started")
            yield made
        finally:
            server.should_exit = True
            thread.join()
