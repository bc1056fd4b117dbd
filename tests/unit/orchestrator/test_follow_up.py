"""What follows a load is written by whoever has the run, in the end it came to, and gives way when there is no time."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.clock import SystemClock
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.errors import ConfigurationError
from upperbound.orchestrator.follow_up import NOT_STARTED, NOT_WAITED_FOR, Enriched, Enrichment, FollowUp
from upperbound.orchestrator.run_log import run_log
from upperbound.store.engine import Store, open_store
from upperbound.store.results import ResultRow
from upperbound.store.runs import NewRun
from upperbound.testing.waiting import until

LOG = {"rows": 7, "files": 1, "path": "/data/runs/run-1/query_log"}
ROWS = {"worker-0": 7}


class Server:
    """A server that answers at once, or when nobody has time for it any more."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow, self.asked = slow, threading.Event()

    def run(self, over: threading.Event) -> Enriched:
        logging.getLogger("upperbound.test").warning("the server is asked")
        self.asked.set()
        if self.slow and over.wait(30):
            return Enriched(EnrichmentStatus.PARTIAL, "no time")
        return Enriched(EnrichmentStatus.COMPLETED, None, {"version": 1})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        opened.runs.create(NewRun("run-1", "checkout", {}, 1))
        yield opened


def follow_up(store: Store, folder: Path, server: Enrichment | None, *, holder: str | None = None) -> FollowUp:
    return FollowUp(store, SystemClock(), "run-1", folder, lambda: server, holder=holder)


def after(store: Store, work: FollowUp) -> ResultRow:
    """Do the work in its thread, and return the run's result."""
    ended = threading.Event()
    work.begin(ROWS, LOG, ended.set)
    assert ended.wait(30)
    assert work.is_done
    return store.results.get("run-1")


def test_what_the_server_told_is_kept_with_the_run(store: Store, tmp_path: Path) -> None:
    work = follow_up(store, tmp_path, Server())
    assert work.first_status == (EnrichmentStatus.PENDING, None)
    result = after(store, work)
    assert (result.enrichment_status, result.enrichment_reason) == ("COMPLETED", None)
    assert (result.server_view, result.query_log) == ({"version": 1}, LOG)


def test_a_later_attempt_that_learns_nothing_leaves_what_is_known(store: Store, tmp_path: Path) -> None:
    after(store, follow_up(store, tmp_path, Server()))
    result = after(store, follow_up(store, tmp_path, None))
    assert (result.enrichment_status, result.enrichment_reason) == ("SKIPPED", NOT_STARTED)
    assert result.server_view == {"version": 1}


def test_a_server_that_cannot_be_logged_in_to_is_a_failure_and_no_crash(store: Store, tmp_path: Path) -> None:
    def refuse() -> Enrichment:
        raise ConfigurationError("there is no entry 'bench'", hint="add it")

    result = after(store, FollowUp(store, SystemClock(), "run-1", tmp_path, refuse))
    assert result.enrichment_status == "FAILED"
    assert "there is no entry 'bench'" in str(result.enrichment_reason)


def test_without_anything_to_do_it_is_done_before_it_begins(store: Store, tmp_path: Path) -> None:
    work = FollowUp(store, SystemClock(), "run-1", tmp_path, None, why_skipped="nobody is asked")
    assert (work.is_done, work.is_needed) == (True, False)
    assert work.first_status == (EnrichmentStatus.SKIPPED, "nobody is asked")


def test_a_run_that_was_called_off_does_not_ask(store: Store, tmp_path: Path) -> None:
    server = Server()
    work = follow_up(store, tmp_path, server)
    work.hurry()
    result = after(store, work)
    assert (result.enrichment_status, result.enrichment_reason) == ("SKIPPED", NOT_WAITED_FOR)
    assert not server.asked.is_set()


def test_who_is_in_a_hurry_ends_a_server_that_takes_long(store: Store, tmp_path: Path) -> None:
    server = Server(slow=True)
    work = follow_up(store, tmp_path, server)
    work.begin(ROWS, LOG)
    assert server.asked.wait(30)
    assert not work.is_done
    work.hurry()
    until(lambda: work.is_done, "the work after the load is done")
    assert store.results.get("run-1").enrichment_reason == "no time"


def test_nothing_is_written_of_a_run_that_is_anothers_by_now(store: Store, tmp_path: Path) -> None:
    assert store.runs.acquire_lease("run-1", "another", 60.0)
    result = after(store, follow_up(store, tmp_path, Server(), holder="me"))
    assert (result.enrichment_status, result.server_view) == (None, None)


def test_what_is_said_meanwhile_is_in_the_log_of_the_run(store: Store, tmp_path: Path) -> None:
    with run_log(store, SystemClock(), "run-1", tmp_path):
        after(store, follow_up(store, tmp_path, Server()))
    said = [line.message for line in store.logs.after("run-1")]
    assert "the server is asked" in said
    assert any(line.startswith("what follows the load is done: COMPLETED") for line in said)
