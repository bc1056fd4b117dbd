"""Threads that load a server whose driver blocks: what is sent is recorded, and what goes wrong is seen to."""

import threading

import numpy as np
import pytest
from tests.unit.loadgen.blocking_server import NOW, ONE, Rig, S, Server, Session

from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.domain.statement_ids import NO_STATEMENT_ID
from upperbound.errors import TargetAuthFailed, TargetError, TargetUnreachable
from upperbound.loadgen.opening import PARALLEL
from upperbound.targets.blocking import BlockingOperation, BlockingStatement, StatementFailed
from upperbound.testing.waiting import until

LOCKED = "000625"


def failed(outcome: Outcome, *, broken: bool = False) -> StatementFailed:
    return StatementFailed(outcome, LOCKED, f"it is {outcome.label}", broken=broken)


def test_each_operation_is_recorded_once_with_its_times() -> None:
    server = Server(answer_s=0.005)
    rig = Rig(server)
    with rig.running(4):
        until(lambda: len(server.seen) > 100, "a hundred operations")
    records = rig.records
    assert len(records) == len(server.seen)
    assert set(records["thread"]) == {0, 1, 2, 3}
    assert set(records["outcome"]) == {Outcome.OK}
    assert (records["rows"] == 1).all()
    assert (records["intended_ns"] == records["start_ns"]).all(), "in a closed loop an operation is due when it is sent"
    assert (records["end_ns"] - records["start_ns"] >= 5_000_000).all()


def test_what_is_measured_is_sent_by_sessions_that_are_marked_for_it() -> None:
    server = Server()
    rig = Rig(server)
    with rig.running(8, warmup_s=0.2):
        until(lambda: sum(one.phase is Phase.MEASUREMENT for one in server.seen) > 100, "the measurement")
    border_ns = rig.start_ns + S // 5
    measured = np.sort(rig.records["start_ns"][rig.records["start_ns"] >= border_ns])
    marked = sorted(one.begin_ns for one in server.seen if one.phase is Phase.MEASUREMENT)
    assert len(measured) == len(marked)
    assert min(marked) >= border_ns
    assert any(one.phase is Phase.WARMUP for one in server.seen)


def test_a_session_that_cannot_be_marked_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0
    mark = Session.enter

    def enter(self: Session, phase: Phase) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise failed(Outcome.CONNECTION_LOST, broken=True)
        mark(self, phase)

    monkeypatch.setattr(Session, "enter", enter)
    server = Server()
    rig = Rig(server)
    with rig.running(1):
        until(lambda: len(server.seen) > 5, "operations")
    assert {one.phase for one in server.seen} == {Phase.MEASUREMENT}
    assert server.connects == 4


def test_a_failed_operation_is_counted_with_its_class_and_its_message() -> None:
    server = Server()
    server.failures = [failed(Outcome.CONSTRAINT), failed(Outcome.CONSTRAINT)]
    rig = Rig(server)
    with rig.running(2):
        until(lambda: len(server.seen) > 20, "operations")
    records = rig.records
    bad = records[records["outcome"] != Outcome.OK]
    assert list(bad["outcome"]) == [Outcome.CONSTRAINT] * 2
    assert [(entry.code, entry.message) for entry in rig.errors.entries] == [(LOCKED, "it is constraint")]
    assert set(bad["error"]) == {1}
    assert set(bad["rows"]) == {0}
    assert server.connects == 2, "a session that has only refused a statement is used again"


def test_a_lost_session_is_opened_again_while_the_others_go_on() -> None:
    server = Server()
    server.failures = [failed(Outcome.CONNECTION_LOST, broken=True)]
    rig = Rig(server)
    with rig.running(3):
        until(lambda: server.connects == 4 and rig.executor.active_threads == 3, "the session to be back")
        newest = max(server.open)
        until(lambda: any(one.connection == newest for one in server.seen), "the new session to be used")
    assert (rig.records["outcome"] == Outcome.CONNECTION_LOST).sum() == 1, "its query has failed, once"
    assert server.open == set()


def test_a_stop_does_not_wait_for_a_connection_that_is_being_opened() -> None:
    server = Server()
    rig = Rig(server)
    with rig.running(2):
        server.connect_s = 600
        server.failures = [failed(Outcome.CONNECTION_LOST, broken=True)]
        until(lambda: server.connecting == 1, "a connection to be opened again")
        rig.executor.stop()
    assert len(rig.records) == len(server.seen)


def test_a_target_that_stays_away_ends_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upperbound.loadgen.thread_executor.TARGET_LOST_NS", S // 4)
    server = Server()
    rig = Rig(server)
    with rig.running(2):
        server.gone.set()
        server.failures = [failed(Outcome.CONNECTION_LOST, broken=True)] * 2
        until(lambda: rig.failure is not None, "the executor to give up")
    assert "the target is gone" in str(rig.failure)


def test_a_transaction_that_fails_is_rolled_back_and_tried_again_as_often_as_allowed() -> None:
    begin, commit, rollback = (BlockingStatement(word, counts=False) for word in ("begin", "commit", "rollback"))
    operation = BlockingOperation(
        (begin, BlockingStatement("change"), commit), rollback, retry={Outcome.SERIALIZATION_FAILURE: 2}
    )
    server = Server(answer_s=0.0)
    rig = Rig(server, operation)
    lost = failed(Outcome.SERIALIZATION_FAILURE)
    server.failures = [None, lost, None, None, lost]
    with rig.running(1):
        until(lambda: len(server.seen) >= 12, "an execution")
    texts = [one.text for one in server.seen[:9]]
    assert texts == ["begin", "change", "rollback", "begin", "change", "rollback", "begin", "change", "commit"]
    assert (rig.records[0]["retries"], rig.records[0]["outcome"], rig.records[0]["rows"]) == (2, Outcome.OK, 1)


def test_threads_come_and_go_within_a_second_and_no_query_is_cut() -> None:
    server = Server(answer_s=0.01)
    rig = Rig(server)
    with rig.running(2):
        rig.executor.set_threads(12)
        until(lambda: rig.executor.active_threads == 12, "more threads", deadline_s=1.0)
        rig.executor.set_threads(3)
        until(lambda: len(server.open) == 3, "fewer threads", deadline_s=1.0)
        rig.executor.set_threads(6)
        until(lambda: len(server.open) == 6, "more threads again", deadline_s=1.0)
    assert len(rig.records) == len(server.seen)
    assert set(rig.records["outcome"]) == {Outcome.OK}


def test_nothing_is_sent_after_the_stop_and_what_is_in_flight_may_end() -> None:
    server = Server(answer_s=0.1)
    rig = Rig(server)
    with rig.running(4):
        until(lambda: len(server.seen) >= 8, "operations")
        rig.executor.stop()
        stopped_ns = rig.executor.stop_ns
    assert max(one.begin_ns for one in server.seen) < stopped_ns + S // 100
    assert (rig.records["start_ns"] < stopped_ns).all()
    assert len(rig.records) == len(server.seen)


def test_a_planned_stop_holds_to_the_moment() -> None:
    server = Server()
    rig = Rig(server)
    with rig.running(4):
        stop_ns = NOW() + S // 5
        rig.executor.stop_at(stop_ns)
        rig.executor.stop_at(stop_ns + S)
        until(lambda: not server.open, "the sessions to be closed")
    assert rig.executor.stop_ns == stop_ns
    assert (rig.records["start_ns"] < stop_ns).all()
    assert rig.records["end_ns"].max() > stop_ns - S // 20


def test_what_is_in_flight_can_be_cancelled() -> None:
    server = Server()
    rig = Rig(server)
    with rig.running(3):
        server.held.set()
        until(lambda: rig.executor.cancel_in_flight() == 3, "three queries in flight")
        until(lambda: len(rig.errors.entries) == 1, "a cancelled query")
        rig.executor.stop()
        until(lambda: rig.executor.cancel_in_flight() == 0, "every query to be cancelled")
    assert (rig.records["outcome"] == Outcome.STATEMENT_TIMEOUT).any()


def test_think_time_lies_between_two_operations_and_ends_with_the_load() -> None:
    server = Server(answer_s=0.0)
    rig = Rig(server, think_ns=S // 10)
    with rig.running(1):
        until(lambda: len(server.seen) >= 3, "three operations")
    starts = rig.records["start_ns"]
    assert (np.diff(starts) >= S // 10).all()
    slow = Rig(Server(), think_ns=600 * S)
    with slow.running(1):
        until(lambda: len(slow.server.seen) == 1, "an operation")
        began_ns = NOW()
    assert NOW() - began_ns < 5 * S


# Opening ----------------------------------------------------------------------------------------------------------


def test_two_hundred_connections_are_opened_32_at_a_time_and_five_failures_are_tried_again() -> None:
    server = Server()
    server.connect_s = 0.03
    server.refusals = [TargetUnreachable("busy") for _ in range(5)]
    rig, told = Rig(server), list[int]()
    rig.executor.open(200, told.append)
    assert (server.connects, len(server.open)) == (205, 200)
    assert PARALLEL // 2 < server.most_connecting <= PARALLEL
    assert told == list(range(1, 201))
    rig.executor.close()
    assert server.open == set()


def test_connections_that_cannot_be_opened_are_one_error_that_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upperbound.loadgen.thread_opening.AGAIN_S", 0.001)
    server = Server()
    server.gone.set()
    rig = Rig(server)
    with pytest.raises(TargetUnreachable, match=r"of 40 connections 0 could be opened and \d+ could not"):
        rig.executor.open(40, lambda _: None)
    rig.executor.close()


def test_a_login_that_is_refused_is_not_tried_again() -> None:
    server = Server()
    server.refusals = [TargetAuthFailed("no such user")] * 3
    rig = Rig(server)
    with pytest.raises(TargetAuthFailed, match="no such user"):
        rig.executor.open(1, lambda _: None)
    assert server.connects == 1
    rig.executor.close()


def test_a_load_that_is_called_off_is_not_connected_again() -> None:
    server = Server()
    server.refusals = [TargetError("the load has been stopped")] * 9
    rig = Rig(server)
    with pytest.raises(TargetError, match="has been stopped"):
        rig.executor.open(3, lambda _: None)
    assert server.connects <= 3
    rig.executor.close()


# Health -----------------------------------------------------------------------------------------------------------


def test_a_generator_without_time_for_its_threads_says_so() -> None:
    idle = Rig(Server(answer_s=0.01))
    with idle.running(2):
        until(lambda: idle.executor.times.wall_ns > S // 2, "half a second")
    busy, over = Rig(Server(answer_s=0.01)), threading.Event()

    def burn() -> None:
        while not over.is_set():
            sum(range(1000))

    burners = [threading.Thread(target=burn) for _ in range(3)]
    with busy.running(2):
        for burner in burners:
            burner.start()
        until(lambda: busy.executor.times.wall_ns > S, "a second")
        over.set()
        for burner in burners:
            burner.join()
    assert _busy_share(idle) < 0.5
    assert _busy_share(busy) > 1.5 * _busy_share(idle)
    assert np.percentile(busy.records["lag_ns"], 90) > 2 * np.percentile(idle.records["lag_ns"], 50)


def _busy_share(rig: Rig) -> float:
    times = rig.executor.times
    return 1 - times.waited_ns / times.wall_ns


def test_an_error_of_a_thread_ends_the_load_and_is_told() -> None:
    class Broken(Server):
        def answer(self, session: object, text: str) -> int:
            raise ZeroDivisionError("a driver that raises what it must not")

    rig = Rig(Broken(), ONE)
    rig.executor.open(2, lambda _: None)
    rig.executor.begin()
    with pytest.raises(ZeroDivisionError):
        rig.executor.run()
    rig.executor.close()


def ids_of(rig: Rig) -> list[bytes]:
    assert len(rig.sink.statement_ids) == len(rig.records), "an id for each record"
    return rig.sink.statement_ids


def test_each_record_comes_with_what_the_server_calls_its_statement() -> None:
    server = Server()
    rig = Rig(server)
    with rig.running(4):
        until(lambda: len(server.seen) > 200, "two hundred operations")
    assert sorted(ids_of(rig)) == sorted(one.statement_id for one in server.seen)


def test_of_a_transaction_the_id_is_that_of_its_last_statement_between_begin_and_commit() -> None:
    server = Server()
    begin, commit, rollback = (BlockingStatement(word, counts=False) for word in ("BEGIN", "COMMIT", "ROLLBACK"))
    rig = Rig(
        server, BlockingOperation((begin, BlockingStatement("first"), BlockingStatement("last"), commit), rollback)
    )
    with rig.running(2):
        until(lambda: len(server.seen) > 40, "operations")
    assert sorted(ids_of(rig)) == sorted(one.statement_id for one in server.seen if one.text == "last")


def test_of_an_operation_that_is_tried_again_the_id_is_that_of_the_last_attempt() -> None:
    server = Server()
    begin, commit, rollback = (BlockingStatement(word, counts=False) for word in ("BEGIN", "COMMIT", "ROLLBACK"))
    operation = BlockingOperation((begin, BlockingStatement("one"), commit), rollback, {Outcome.DEADLOCK: 1})
    # BEGIN, the statement that fails, ROLLBACK, and a BEGIN that fails: nothing of the second attempt counts.
    server.failures = [None, failed(Outcome.DEADLOCK), None, failed(Outcome.SYNTAX)]
    rig = Rig(server, operation)
    with rig.running(1):
        until(lambda: len(server.seen) > 20, "operations")
    assert list(rig.records["retries"][:2]) == [1, 0]
    first, second = ids_of(rig)[:2]
    assert first == NO_STATEMENT_ID
    assert second == next(one.statement_id for one in server.seen[4:] if one.text == "one")


def test_a_failed_statement_has_an_id_as_well() -> None:
    server = Server()
    server.failures = [failed(Outcome.CONSTRAINT)]
    rig = Rig(server)
    with rig.running(1):
        until(lambda: len(server.seen) > 5, "operations")
    assert ids_of(rig)[0] == server.seen[0].statement_id
    assert rig.records["outcome"][0] == Outcome.CONSTRAINT
