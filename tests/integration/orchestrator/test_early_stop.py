"""A run that is stopped while its workers still connect does not wait for the rest of their connections."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.integration.orchestrator.conftest import Bench

from upperbound.clock import SystemClock
from upperbound.domain.run_state import RunStatus
from upperbound.orchestrator.stopping import request_stop
from upperbound.testing.waiting import until

THREADS = 90
DELAY_S = 1.0
"""How long a connection takes to come about; a worker opens 32 at a time."""


@contextlib.contextmanager
def far_away(url: str) -> Iterator[int]:
    """Lend a port behind which the server of ``url`` is, as far away as :data:`DELAY_S`."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:

        def carry(client: socket.socket) -> None:
            SystemClock().sleep(DELAY_S)
            with client, socket.create_connection((parts.hostname, parts.port)) as server:
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=carry, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


def test_no_further_connection_is_opened_for_a_run_that_is_stopped(bench: Bench) -> None:
    with far_away(bench.target_url) as port:
        parts = urlsplit(bench.target_url)
        bench.target_url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
        scaling = {"scaling": {"mode": "FIXED", "min_workers": 1, "min_threads": THREADS}}
        run_id = bench.create(more=scaling, duration_seconds=60)
        with bench.running(run_id) as end:

            def connects() -> bool:
                return any("connections open" in (beat.detail or "") for beat in bench.store.heartbeats.list(run_id))

            until(connects, "the first connections are open")
            request_stop(bench.store, run_id, "ada")
            row = end()
    assert row.status is RunStatus.CANCELLED
    assert bench.launcher.handles["worker-0"].poll() == 0
    (beat,) = bench.store.heartbeats.list(run_id)
    opened, _, said = (beat.detail or "").partition(" of ")
    assert said == f"{THREADS} connections open"
    assert 0 < int(opened) < THREADS
