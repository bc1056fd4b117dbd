"""The WebSocket as its clients meet it: who may come, how it closes, and what a viewer that is stuck finds."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from tests.integration.live.conftest import RUN, Rows, StoreClock
from tests.integration.live.server import Serving, serving
from tests.integration.live.viewer import Viewer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from upperbound.api.access.policy import AccessPolicy
from upperbound.domain.run_state import RunStatus
from upperbound.store.engine import Store, init_store, open_store
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.testing.waiting import until

TOKEN = "0123456789abcdef-token"


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Serving]:
    with serving(store, tmp_path) as made:
        yield made


def test_a_prepared_run_is_answered_once_and_then_waited_with(server: Serving, rows: Rows) -> None:
    with Viewer(server.watching(RUN)) as viewer:
        first = viewer.update()
        assert first is not None
        assert (first["status"], first["sequence"]) == ("PREPARED", 0)
        server.controller.stop(RUN, initiated_by="the test")
        second = viewer.update()
        assert second is not None
        assert (second["status"], second["sequence"], second["final"]) == ("CANCELLED", 1, True)
        assert second["cancellation_reason"] == "stopped by the test"
        assert viewer.update() is None
        assert viewer.closed == (1000, "the run is over")


def test_an_unknown_run_is_closed_with_a_code_of_its_own(server: Serving) -> None:
    for run_id in ("nobody", "x" * 5000, "..%5cetc", "'; DROP TABLE run_status; --".replace(" ", "%20")):
        with Viewer(server.watching(run_id)) as viewer:
            assert viewer.update() is None
            assert viewer.closed == (4404, "there is no such run")


def test_a_path_beyond_the_run_leads_nowhere(server: Serving) -> None:
    for run_id in ("%2e%2e%2fetc%2fpasswd", "a/b", ""):
        with pytest.raises(InvalidStatus) as refused:
            connect(server.watching(run_id))
        assert refused.value.response.status_code in (403, 404)


def test_too_many_viewers_are_told_so(server: Serving, rows: Rows) -> None:
    server.hub._most = 1
    with Viewer(server.watching(RUN)) as first:
        assert first.update() is not None
        with Viewer(server.watching(RUN)) as second:
            assert second.update() is None
            assert second.closed[0] == 4429


def test_a_viewer_that_has_gone_is_not_read_for(server: Serving, rows: Rows) -> None:
    rows.starting()
    rows.running()
    with Viewer(server.watching(RUN)) as viewer:
        assert viewer.update() is not None
        assert server.hub.is_watched(RUN)
    until(lambda: not server.hub.is_watched(RUN), "nobody watches any more")


def test_what_a_viewer_sends_is_not_looked_at(server: Serving, rows: Rows) -> None:
    rows.starting()
    rows.running()
    with connect(server.watching(RUN)) as viewer:
        for message in ("STOP", "{}", b"\\x00\\xff", "x" * 10_000):
            viewer.send(message)
        assert "RUN_UPDATE" in str(viewer.recv(timeout=60))
        assert "RUN_UPDATE" in str(viewer.recv(timeout=60))
    assert rows.store.runs.get(RUN).status is RunStatus.RUNNING


def test_a_viewer_that_is_stuck_finds_what_was_on_its_way_and_then_the_newest(server: Serving, rows: Rows) -> None:
    rows.starting()
    rows.running()
    with Viewer(server.watching(RUN)) as quick, Viewer(server.watching(RUN)) as stuck:
        assert (first := stuck.update()) is not None
        for _ in range(6):
            latest = quick.update()
        assert latest is not None
        assert latest["sequence"] >= first["sequence"] + 5
        on_its_way = stuck.update()
        newest = stuck.update()
        assert on_its_way is not None
        assert newest is not None
        assert on_its_way["sequence"] <= first["sequence"] + 1
        assert newest["sequence"] >= latest["sequence"]


def test_a_viewer_that_never_answers_is_cut_off(store: Store, rows: Rows, tmp_path: Path) -> None:
    rows.starting()
    rows.running()
    with (
        serving(store, tmp_path, ws_ping_interval=0.2, ws_ping_timeout=0.5) as server,
        Viewer(server.watching(RUN)),
    ):
        until(lambda: server.hub.viewers == 1, "it watches")
        until(lambda: server.hub.viewers == 0, "it was cut off")


def test_a_store_that_is_away_is_said_to_be_and_comes_back(
    embedded_server: EmbeddedServer, fresh_database: str, tmp_path: Path
) -> None:
    init_store(fresh_database)
    name = fresh_database.rpartition("/")[2].partition("?")[0]
    with (
        open_store(fresh_database) as store,
        psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin,
    ):
        rows = Rows(store, StoreClock())
        rows.prepare()
        rows.starting()
        rows.running()
        with serving(store, tmp_path) as server, Viewer(server.watching(RUN)) as viewer:
            assert (before := viewer.update()) is not None
            assert before["notice"] is None
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            away = following(viewer, lambda update: update["notice"] is not None)
            assert "no news" in away["notice"]
            assert away["run"]["elapsed_seconds"] >= before["run"]["elapsed_seconds"]
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
            back = following(viewer, lambda update: update["notice"] is None)
            assert back["run"]["elapsed_seconds"] > away["run"]["elapsed_seconds"]
            rows.end()
            assert following(viewer, lambda update: update["final"])["status"] == "COMPLETED"


def following(viewer: Viewer, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first update from now on that is wanted."""
    while (update := viewer.update()) is not None:
        if wanted(update):
            return update
    raise AssertionError(f"closed with {viewer.closed}")


def test_pages_of_other_sites_may_not_watch(server: Serving, rows: Rows) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(server.watching(RUN), origin=Origin("http://evil.example.com"))
    assert refused.value.response.status_code == 403
    with connect(server.watching(RUN), origin=Origin(server.url)) as viewer:
        assert "PREPARED" in str(viewer.recv(timeout=60))


def test_a_server_that_wants_a_token_shows_nothing_without_it(store: Store, rows: Rows, tmp_path: Path) -> None:
    policy = AccessPolicy(loopback=True, token=SecretStr(TOKEN))
    with serving(store, tmp_path, policy=policy) as server:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "upperbound_session=guess"}):
            with pytest.raises(InvalidStatus) as refused:
                connect(server.watching(RUN), additional_headers=headers)
            assert refused.value.response.status_code == 401
        with connect(server.watching(RUN), additional_headers={"Authorization": f"Bearer {TOKEN}"}) as viewer:
            assert "PREPARED" in str(viewer.recv(timeout=60))
        login = httpx.post(f"{server.url}/api/login", json={"password": TOKEN})
        cookie = login.headers["set-cookie"].partition(";")[0]
        with connect(server.watching(RUN), additional_headers={"Cookie": cookie}) as viewer:
            assert "PREPARED" in str(viewer.recv(timeout=60))


def test_a_run_that_is_deleted_is_closed_as_unknown(server: Serving, rows: Rows) -> None:
    with Viewer(server.watching(RUN)) as viewer:
        assert viewer.update() is not None
        assert httpx.delete(f"{server.url}/api/tests/{RUN}", timeout=60).status_code == 204
        assert viewer.update() is None
        assert viewer.closed[0] == 4404


def test_the_program_on_the_page_about_live_values_works(server: Serving, rows: Rows) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "live.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    there = program.replace("ws://127.0.0.1:8000/ws/test/RUN", server.watching(RUN))
    assert there != program
    rows.starting()
    rows.running()
    rows.end()
    done = subprocess.run([sys.executable, "-c", there], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["COMPLETED 0.0 None"]


def test_the_end_of_the_server_is_told_as_such(store: Store, rows: Rows, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with serving(store, tmp_path) as server:
            viewer = stack.enter_context(Viewer(server.watching(RUN)))
            assert viewer.update() is not None
        assert viewer.update() is None
        assert viewer.closed[0] == 1012
