"""A worker pushes the newest snapshot, and stays away from a controller that does not answer or does not want it."""

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr
from tests.unit.views.rows import RUN_ID, figures, kind, snapshot

from upperbound.store.snapshots import Snapshot
from upperbound.testing.manual_clock import ManualClock
from upperbound.testing.waiting import until
from upperbound.worker.live_push import FIRST_PAUSE_S, LONGEST_PAUSE_S, LivePush, Pace, live_push

TOKEN = "a-token-that-nobody-else-has"


class Answering(ThreadingHTTPServer):
    """A controller as far as a push knows it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        self.status, self.answer = 200, b'{"again_in_s": 0}'
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answering

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers["Authorization"], body))
        self.server.hold.wait()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def controller() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.hold.set()
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def pushing(url: str, clock: ManualClock) -> Iterator[LivePush]:
    """Lend what pushes to ``url``."""
    push = LivePush(url, SecretStr(TOKEN), clock)
    push.start()
    try:
        yield push
    finally:
        push.close()


def one(sequence: int) -> Snapshot:
    """Return a snapshot of a worker."""
    return snapshot(3, sequence, figures({"UPDATE": kind([100] * 5)}))


def test_a_snapshot_is_sent_to_its_run_with_the_token(controller: Answering) -> None:
    with pushing(controller.url, ManualClock()) as push:
        push.offer(one(1))
        until(lambda: controller.seen, "it has arrived")
    path, authorization, body = controller.seen[0]
    assert path == f"/api/runs/{RUN_ID}/metrics/live"
    assert authorization == f"Bearer {TOKEN}"
    assert (body["worker_id"], body["sequence"], body["figures"]) == ("worker-3", 1, one(1).figures)


def test_of_what_comes_while_one_is_on_its_way_the_newest_is_sent(controller: Answering) -> None:
    controller.hold.clear()
    with pushing(controller.url, ManualClock()) as push:
        push.offer(one(1))
        until(lambda: controller.seen, "the first is on its way")
        for sequence in (2, 3, 4):
            push.offer(one(sequence))
        controller.hold.set()
        until(lambda: len(controller.seen) == 2, "another one has arrived")
    assert [body["sequence"] for *_, body in controller.seen] == [1, 4]


def test_a_controller_that_nobody_watches_is_left_alone_for_as_long_as_it_says(controller: Answering) -> None:
    controller.answer = b'{"again_in_s": 3}'
    clock = ManualClock()
    with pushing(controller.url, clock) as push:
        push.offer(one(1))
        until(lambda: not push.pace.may(clock.monotonic_ns()), "the answer has come")
        push.offer(one(2))
        clock.advance(3.0)
        push.offer(one(3))
        until(lambda: len(controller.seen) == 2, "another one has arrived")
    assert [body["sequence"] for *_, body in controller.seen] == [1, 3]


@pytest.mark.parametrize("status", [401, 403, 404, 413, 422])
def test_a_controller_that_refuses_is_never_asked_again(controller: Answering, status: int) -> None:
    controller.status = status
    clock = ManualClock()
    with pushing(controller.url, clock) as push:
        push.offer(one(1))
        until(lambda: push.pace.refused, "the refusal is known")
        clock.advance(3600.0)
        push.offer(one(2))
        assert push._newest is None
    assert len(controller.seen) == 1


def test_a_controller_that_is_away_is_tried_again_and_costs_nothing_meanwhile() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        clock = ManualClock()
        with pushing(f"http://127.0.0.1:{taken.getsockname()[1]}", clock) as push:
            push.offer(one(1))
            until(lambda: not push.pace.may(clock.monotonic_ns()), "the failure is known")
            push.offer(one(2))
            assert push._newest is None
            clock.advance(FIRST_PAUSE_S)
            assert push.pace.may(clock.monotonic_ns())


def test_a_controller_that_never_answers_is_given_up_soon(controller: Answering) -> None:
    controller.hold.clear()
    clock = ManualClock()
    with pushing(controller.url, clock) as push:
        push.offer(one(1))
        until(lambda: not push.pace.may(clock.monotonic_ns()), "the attempt has failed", deadline_s=20.0)
        assert not push.pace.refused


@pytest.mark.parametrize("answer", [b"", b"no JSON", b"[]", b'{"again_in_s": null}', b'{"again_in_s": -5}'])
def test_an_answer_that_says_nothing_wants_the_next_snapshot(controller: Answering, answer: bytes) -> None:
    controller.answer = answer
    with pushing(controller.url, ManualClock()) as push:
        push.offer(one(1))
        until(lambda: len(controller.seen) == 1, "it has arrived")
        push.offer(one(2))
        until(lambda: len(controller.seen) == 2, "the next one has arrived")


def test_pauses_double_up_to_a_limit_and_end_with_a_success() -> None:
    pace = Pace()
    now_ns, pauses = 0, []
    for _ in range(8):
        pace.failed(now_ns)
        pause_s = next(seconds for seconds in range(1, 100) if pace.may(now_ns + seconds * 10**9))
        pauses.append(pause_s)
        now_ns += pause_s * 10**9
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert pauses[-1] == LONGEST_PAUSE_S
    pace.taken(0.0, now_ns)
    assert pace.may(now_ns)
    pace.failed(now_ns)
    assert pace.may(now_ns + 10**9)


def test_no_pause_that_a_controller_asks_for_is_longer_than_the_longest() -> None:
    pace = Pace()
    pace.taken(1e9, 0)
    assert pace.may(int(LONGEST_PAUSE_S * 1e9))


def test_a_worker_without_a_controller_that_serves_pushes_nothing() -> None:
    assert live_push({}, ManualClock()) is None
    assert live_push({"UPPERBOUND_LIVE_URL": "http://127.0.0.1:1"}, ManualClock()) is None


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "nonsense"])
def test_an_address_that_is_none_is_mentioned_and_the_token_is_not(url: str, caplog: pytest.LogCaptureFixture) -> None:
    environment = {"UPPERBOUND_LIVE_URL": url, "UPPERBOUND_LIVE_TOKEN": TOKEN}
    with caplog.at_level(logging.DEBUG):
        assert live_push(environment, ManualClock()) is None
    assert "no address of a controller" in caplog.text
    assert TOKEN not in caplog.text
    assert "UPPERBOUND_LIVE_TOKEN" not in environment
