"""Real runs watched over real sockets: from the prepared state to the last update, across servers that come and go."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from tests.databases import new_database
from tests.integration.live.server import free_port, serving
from tests.integration.live.viewer import Viewer

from upperbound.api.access.policy import AccessPolicy
from upperbound.api.live.pushes import TOKEN_VARIABLE
from upperbound.clock import SystemClock
from upperbound.domain.run_state import TERMINAL
from upperbound.launchers.base import WorkerHandle, WorkerSpec
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.scenario.connection_url import split_password
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store, init_store, open_store
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.testing.waiting import DEADLINE_S, until

Update = dict[str, Any]
ROWS = 1000


@dataclass
class WatchedLauncher:
    """Launches as users do, and remembers what the workers were given."""

    handles: list[WorkerHandle] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)

    def launch(self, spec: WorkerSpec, *, environment: Mapping[str, str], log_file: Path) -> WorkerHandle:
        handle = LocalLauncher().launch(spec, environment=environment, log_file=log_file)
        self.handles.append(handle)
        self.environments.append(dict(environment))
        return handle


@pytest.fixture(scope="module")
def target(embedded_server: EmbeddedServer) -> Iterator[str]:
    """A database with a small table of orders."""
    with new_database(embedded_server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            create_orders(connection, rows=ROWS)
        yield url


@pytest.fixture
def store(fresh_database: str) -> Iterator[Store]:
    """A store on PostgreSQL."""
    init_store(fresh_database)
    with open_store(fresh_database) as opened:
        yield opened


@pytest.fixture
def launcher() -> Iterator[WatchedLauncher]:
    made = WatchedLauncher()
    yield made
    for handle in made.handles:
        handle.kill()
    until(lambda: all(handle.poll() is not None for handle in made.handles), "no process is left")


def scenario(target: str, **load: float) -> LoadedScenario:
    """Return a scenario of two workers on the target."""
    given = split_password(target)
    password = SecretStr(given.password) if given.password else None
    data = {
        "name": "watched",
        "target": {"kind": "postgres", "url": given.url, "table": "public.orders"},
        "load": {"warmup_seconds": 2, "duration_seconds": 4} | load,
        "scaling": {"mode": "FIXED", "min_workers": 2, "min_threads": 2},
        "workload": {
            "operations": [
                {
                    "kind": "POINT_LOOKUP",
                    "weight_pct": 80,
                    "sql": "SELECT * FROM {table} WHERE id = $1",
                    "params": [{"range": [1, ROWS]}],
                },
                {
                    "kind": "UPDATE",
                    "weight_pct": 20,
                    "sql": "UPDATE {table} SET status = 'paid' WHERE id = $1",
                    "params": [{"range": [1, ROWS]}],
                },
            ]
        },
    }
    return LoadedScenario(Scenario.model_validate(data), (), password)


@dataclass
class Watched:
    """What a viewer has seen, each update with how far its time was from the store's."""

    updates: list[Update] = field(default_factory=list)
    distances_s: list[float] = field(default_factory=list)
    closed: tuple[int, str] = (0, "")

    def watch(self, url: str, store: Store, run_id: str) -> None:
        """See the run to its end."""
        with Viewer(url) as viewer:
            while (update := viewer.update()) is not None:
                row = store.runs.get(run_id)
                if row.elapsed_s is not None and update["run"]["elapsed_seconds"] is not None:
                    self.distances_s.append(row.elapsed_s - update["run"]["elapsed_seconds"])
                self.updates.append(update)
            self.closed = viewer.closed


@contextlib.contextmanager
def watched(url: str, store: Store, run_id: str) -> Iterator[Watched]:
    """Watch a run in a thread, from its first update on, and wait for its end after the body."""
    found = Watched()
    thread = threading.Thread(target=found.watch, args=(url, store, run_id))
    thread.start()
    until(lambda: found.updates, "there is a first update")
    yield found
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), "the viewer still waits"


def elapsed(updates: list[Update]) -> list[float]:
    """Return what a timer would have shown."""
    return [update["timing"]["elapsed_display_seconds"] for update in updates]


def states(updates: list[Update]) -> list[tuple[str, str]]:
    """Return status and phase, each change once."""
    seen = [(update["status"], update["phase"]) for update in updates]
    return [state for place, state in enumerate(seen) if place == 0 or seen[place - 1] != state]


def test_a_run_is_watched_from_before_its_start_to_its_end(
    store: Store, target: str, tmp_path: Path, launcher: WatchedLauncher
) -> None:
    with serving(store, tmp_path, launcher=launcher) as server:
        run_id = server.controller.prepare(scenario(target))
        with (
            watched(server.watching(run_id), store, run_id) as one,
            watched(server.watching(run_id), store, run_id) as other,
        ):
            server.controller.start(run_id)
    updates = one.updates
    assert one.closed == other.closed == (1000, "the run is over")
    assert states(updates) == [
        ("PREPARED", "PREPARING"),
        ("STARTING", "PREPARING"),
        ("RUNNING", "WARMUP"),
        ("RUNNING", "MEASUREMENT"),
        ("STOPPING", "COOLDOWN"),
        ("STOPPING", "PROCESSING"),
        ("COMPLETED", "COMPLETED"),
    ]
    assert [update["final"] for update in updates] == [False] * (len(updates) - 1) + [True]
    # Both have seen the same, although each reading was made once.
    assert [update["sequence"] for update in updates] == list(range(len(updates)))
    assert {update["sequence"]: update for update in other.updates}.items() <= dict(enumerate(updates)).items()

    shown = elapsed(updates)
    assert shown == sorted(shown)
    assert max(map(abs, one.distances_s)) < 1.0
    assert shown[-1] == pytest.approx(store.runs.get(run_id).elapsed_s or 0.0, abs=0.001)

    # In the first second of the measurement the newest figures may be those of the warmup, and are marked so.
    measured = [update for update in updates if update["run"]["phase_metrics"]["phase"] == "MEASUREMENT"]
    measured = [update for update in measured if update["phase"] == "MEASUREMENT"]
    assert len(measured) >= 3
    totals = [update["ops"]["total"] for update in measured]
    assert totals == sorted(totals)
    assert len(set(totals)) >= len(totals) - 1
    assert len({update["run"]["aggregate_metrics"]["qps"] for update in measured}) >= 3

    last, result = updates[-1], store.results.get(run_id)
    assert (last["ops"]["total"], last["errors"]["count"]) == (result.operations, result.failed)
    assert last["ops"]["current_per_sec"] == pytest.approx(result.qps, abs=0.001)
    assert {worker["status"] for worker in last["workers"]} == {"COMPLETED"}
    lines = [line["sequence"] for update in updates for line in update["logs"]]
    assert lines == sorted(set(lines))
    assert any("drained" in line["message"] for update in updates for line in update["logs"])


def test_one_update_a_second_comes_while_the_load_goes_on(
    store: Store, target: str, tmp_path: Path, launcher: WatchedLauncher
) -> None:
    with serving(store, tmp_path, launcher=launcher) as server:
        run_id = server.controller.prepare(scenario(target, warmup_seconds=0, duration_seconds=6))
        with watched(server.watching(run_id), store, run_id) as seen:
            server.controller.start(run_id)
    shown = elapsed([update for update in seen.updates if update["status"] == "RUNNING"])
    gaps = [later - earlier for earlier, later in pairwise(shown)]
    assert 6 <= len(shown) <= 9
    assert sorted(gaps)[len(gaps) // 2] == pytest.approx(1.0, abs=0.2)


def test_workers_push_with_a_token_that_is_nowhere_but_in_their_environment(
    store: Store, target: str, tmp_path: Path, launcher: WatchedLauncher
) -> None:
    with serving(store, tmp_path, launcher=launcher) as server:
        run_id = server.controller.prepare(scenario(target, warmup_seconds=0, duration_seconds=5))
        with watched(server.watching(run_id), store, run_id) as seen:
            server.controller.start(run_id)
            token = launcher.environments[0][TOKEN_VARIABLE]
            until(lambda: len(server.pushes.fresh(run_id)) == 2, "both workers have pushed")
            commands = [Path(f"/proc/{handle.pid}/cmdline").read_bytes() for handle in launcher.handles]
            until(lambda: store.runs.get(run_id).status in TERMINAL, "the run is over")
    assert {environment[TOKEN_VARIABLE] for environment in launcher.environments} == {token}
    assert not any(token.encode() in command for command in commands)
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(token.encode() in content for content in kept)
    assert token not in json.dumps(seen.updates)
    with store._database.connection() as connection:
        for table in ("run_status", "test_results", "test_logs", "run_control_events", "worker_heartbeats"):
            found = connection.exec_driver_sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%%{token}%%'")
            assert found.scalar_one() == 0


def test_only_the_token_of_the_run_opens_its_door(store: Store, tmp_path: Path) -> None:
    good = {
        "worker_id": "worker-0",
        "group_id": 0,
        "group_count": 1,
        "sequence": 1,
        "phase": "MEASUREMENT",
        "elapsed_s": 1.0,
        "operations": 5,
        "failed": 0,
        "qps": 5.0,
        "p50_ms": 1.0,
        "p95_ms": None,
        "p99_ms": None,
        "active_threads": 1,
        "target_threads": 1,
        "figures": {},
    }
    with serving(store, tmp_path) as server, httpx.Client(base_url=server.url) as client:
        token = server.pushes.environment("run-1")[TOKEN_VARIABLE]
        place = "/api/runs/run-1/metrics/live"
        wrong = [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": token},
            {"Authorization": f"Basic {token}"},
            {"Authorization": f"Bearer {server.pushes.environment('run-2')[TOKEN_VARIABLE]}"},
        ]
        for headers in wrong:
            refused = client.post(place, json=good, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.post("/api/runs/run-2/metrics/live", json=good, headers=bearer).status_code == 401
        elsewhere = {**bearer, "Origin": "http://evil.example.com"}
        assert client.post(place, json=good, headers=elsewhere).status_code == 403
        assert server.pushes.fresh("run-1") == {}
        for bad in ({**good, "sequence": 0}, {**good, "worker_id": "../x"}, {**good, "more": 1}, {**good, "qps": "x"}):
            answer = client.post(place, json=bad, headers=bearer)
            assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
        assert client.post(place, content=b"{", headers=bearer).status_code == 422
        too_much = client.post(place, json={**good, "figures": {"x": "y" * 5 * 2**20}}, headers=bearer)
        assert too_much.status_code == 413
        taken = client.post(place, json=good, headers=bearer)
        assert (taken.status_code, taken.json()) == (200, {"again_in_s": 3.0})
        assert server.pushes.fresh("run-1")["worker-0"].operations == 5


def test_a_token_for_users_does_not_let_anybody_push(store: Store, tmp_path: Path) -> None:
    policy = AccessPolicy(loopback=True, token=SecretStr("0123456789abcdef-token"))
    with serving(store, tmp_path, policy=policy) as server:
        headers = {"Authorization": "Bearer 0123456789abcdef-token"}
        answer = httpx.post(f"{server.url}/api/runs/run-1/metrics/live", json={}, headers=headers)
        assert answer.status_code == 401


def test_a_run_goes_on_for_its_viewers_when_the_server_is_started_anew(
    store: Store, target: str, tmp_path: Path, launcher: WatchedLauncher
) -> None:
    port = free_port()
    with serving(store, tmp_path, port=port, launcher=launcher) as server:
        run_id = server.controller.prepare(scenario(target, warmup_seconds=0, duration_seconds=12))
        url = server.watching(run_id)
        with Viewer(url) as viewer:
            server.controller.start(run_id)
            before: list[Update] = []
            while not before or before[-1]["ops"]["total"] == 0:
                update = viewer.update()
                assert update is not None
                before.append(update)
            first_server_pushed = server.pushes
    with serving(store, tmp_path, port=port, launcher=launcher) as server, watched(url, store, run_id) as after:
        until(lambda: store.runs.get(run_id).status in TERMINAL, "the run is over")
    assert first_server_pushed is not server.pushes
    # The workers' token was that of the first server: the second one reads the store.
    assert server.pushes.fresh(run_id) == {}
    both = before + after.updates
    shown = elapsed(both)
    assert shown == sorted(shown)
    assert after.updates[0]["status"] == "RUNNING"
    assert after.updates[0]["ops"]["total"] >= before[-1]["ops"]["total"]
    assert (after.updates[-1]["status"], after.updates[-1]["final"]) == ("COMPLETED", True)
    assert max(map(abs, after.distances_s)) < 1.0
    assert len(launcher.handles) == 2


def test_a_run_that_another_process_looks_after_is_shown_too(
    store: Store, target: str, tmp_path: Path, launcher: WatchedLauncher
) -> None:
    elsewhere = Orchestrator(store, launcher, SystemClock(), tmp_path)
    loaded = scenario(target)
    given = split_password(target)
    run_id = elsewhere.create_run(RunRequest(loaded.scenario, given.url, loaded.password))
    with serving(store, tmp_path) as server:
        elsewhere.start_run(run_id)
        driving = threading.Thread(target=elsewhere.drive, args=(run_id,))
        driving.start()
        with watched(server.watching(run_id), store, run_id) as seen:
            driving.join(DEADLINE_S)
        assert server.pushes.fresh(run_id) == {}
        assert server.controller.owned() == ()
    assert len({update["ops"]["total"] for update in seen.updates}) >= 4
    assert (seen.updates[-1]["status"], seen.updates[-1]["final"]) == ("COMPLETED", True)
    assert elapsed(seen.updates) == sorted(elapsed(seen.updates))
    assert max(map(abs, seen.distances_s)) < 1.0
    assert not any(TOKEN_VARIABLE in environment for environment in launcher.environments)


def test_a_run_that_fails_says_why_in_its_last_update(
    store: Store, target: str, tmp_path: Path, launcher: WatchedLauncher
) -> None:
    with serving(store, tmp_path, launcher=launcher) as server:
        run_id = server.controller.prepare(scenario(target, duration_seconds=60))
        with watched(server.watching(run_id), store, run_id) as seen:
            server.controller.start(run_id)
            until(lambda: any(update["status"] == "RUNNING" for update in seen.updates), "it runs")
            launcher.handles[1].kill()
    last = seen.updates[-1]
    assert (last["status"], last["final"]) == ("FAILED", True)
    assert "worker-1 was killed by signal SIGKILL" in last["run"]["failure_reason"]
