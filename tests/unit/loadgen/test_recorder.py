"""The recorder's figures are those of a plain recount, and nothing that goes wrong in it goes unsaid."""

import os
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from upperbound.domain.figures import PhaseFigures, TransactionFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.errors import QueryLogError
from upperbound.loadgen import recorder as recorder_module
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.recorder import Recorder, Window
from upperbound.querylog.parquet import seal_worker, spool_folder
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.querylog.spool import ERRORS, Manifest, SpoolWriter
from upperbound.testing.waiting import DEADLINE_S, until

LABELS = ["POINT_LOOKUP", "add", "ship"]
WARMUP_END_NS = 5_000_000
WINDOW = Window(seconds=2.0, busy_ns=3, wall_ns=4, host_cpu_pct=50.0)
BUFFER = 100 * RECORD.size


@pytest.fixture(autouse=True)
def _any_number_of_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests hand over faster than any load; only those about falling behind set a limit."""
    monkeypatch.setattr(recorder_module, "MAX_BUFFERS", 1 << 30)


def error_table() -> ErrorTable:
    table = ErrorTable()
    table.number(Outcome.DEADLOCK, "40P01", "deadlock detected")
    table.number(Outcome.CONSTRAINT, "23505", "duplicate key")
    table.number(Outcome.CONSTRAINT, "23503", "no such customer")
    table.number(Outcome.CONNECTION_LOST, "", "server closed the connection")
    return table


def make_records(n: int, seed: int = 1) -> NDArray[np.void]:
    """Return records over both phases and all operations, one in eight failed, latencies from 1 µs to beyond 1 s."""
    rng = np.random.default_rng(seed)
    made = np.zeros(n, RECORD_DTYPE)
    made["start_ns"] = made["intended_ns"] = np.sort(rng.integers(0, 2 * WARMUP_END_NS, n))
    made["end_ns"] = made["start_ns"] + (10 ** rng.uniform(3, 9.2, n)).astype(np.int64)
    made["lag_ns"] = rng.integers(0, 2_000_000, n)
    made["operation"] = rng.integers(0, len(LABELS), n)
    made["rows"] = rng.integers(0, 50, n)
    failed = rng.random(n) < 0.125
    made["error"][failed] = rng.integers(1, 5, int(failed.sum()))
    classes = np.array([0, Outcome.DEADLOCK, Outcome.CONSTRAINT, Outcome.CONSTRAINT, Outcome.CONNECTION_LOST])
    made["outcome"] = classes[made["error"]]
    return made


def feed(recorder: Recorder, records: NDArray[np.void], sizes: Sequence[int]) -> None:
    """Hand the records over in buffers filled as ``sizes`` say, over and over."""
    data, buffer, at, turn = records.tobytes(), bytearray(BUFFER), 0, 0
    while at < len(data):
        part = data[at : at + sizes[turn % len(sizes)] * RECORD.size]
        buffer[: len(part)] = part
        buffer = recorder.swap(buffer, len(part))
        at, turn = at + len(part), turn + 1


def plain(record: np.void) -> tuple[int, ...]:
    return tuple(record.item())


def recount(records: NDArray[np.void]) -> tuple[Counter[str], Counter[str], dict[str, list[int]]]:
    """Count one by one: successes and failures by kind, and successful latencies in µs, rounded half up."""
    succeeded: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    latencies: dict[str, list[int]] = {kind: [] for kind in LABELS}
    for record in records:
        _, start, end, _, _, operation, _, _, outcome, _ = plain(record)
        if outcome == Outcome.OK:
            succeeded[LABELS[operation]] += 1
            latencies[LABELS[operation]].append((end - start + 500) // 1000)
        else:
            failed[LABELS[operation]] += 1
    return succeeded, failed, latencies


def record_all(records: NDArray[np.void], sizes: Sequence[int] = (100, 1, 37), *, open_loop: bool = False) -> Recorder:
    problems: list[QueryLogError] = []
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=problems.append, open_loop=open_loop)
    recorder.start(WARMUP_END_NS, None)
    feed(recorder, records, sizes)
    recorder.finish()
    assert problems == []
    return recorder


@pytest.mark.parametrize("phase", [Phase.WARMUP, Phase.MEASUREMENT])
@pytest.mark.parametrize("sizes", [(100,), (1, 99, 42), (7,)], ids=str)
def test_the_figures_of_a_phase_are_those_of_a_plain_recount(phase: Phase, sizes: tuple[int, ...]) -> None:
    records = make_records(2000)
    figures = record_all(records, sizes).figures(phase, WINDOW)
    measured = records["start_ns"] >= WARMUP_END_NS
    own = records[measured if phase is Phase.MEASUREMENT else ~measured]
    succeeded, failed, latencies = recount(own)
    assert {kind: (f.operations, f.failed) for kind, f in figures.by_operation.items()} == {
        kind: (succeeded[kind], failed[kind]) for kind in LABELS
    }
    for kind, values in latencies.items():
        assert figures.by_operation[kind].histogram == Histogram.from_values(values), kind
        lost = [plain(r)[2] - plain(r)[1] for r in own if plain(r)[8] and LABELS[plain(r)[5]] == kind]
        assert figures.by_operation[kind].failed_ns == sum(lost), kind
    assert figures.generator.lag == Histogram.from_values([(plain(r)[3] + 500) // 1000 for r in own])
    assert figures.warmup_operations == int((~measured).sum())
    assert figures.logged_rows == len(records)
    assert (figures.seconds, figures.generator.busy_ns, figures.generator.wall_ns) == (2.0, 3, 4)


def test_a_query_belongs_to_the_phase_it_was_due_in_exactly_at_the_edge() -> None:
    records = np.zeros(3, RECORD_DTYPE)
    records["intended_ns"] = [WARMUP_END_NS - 1, WARMUP_END_NS, WARMUP_END_NS + 1]
    records["start_ns"] = WARMUP_END_NS + 1
    records["end_ns"] = WARMUP_END_NS + 1_000_000
    recorder = record_all(records, (3,))
    assert recorder.figures(Phase.WARMUP, WINDOW).operations == 1
    assert recorder.figures(Phase.MEASUREMENT, WINDOW).operations == 2


def test_the_latency_of_a_failed_query_is_in_no_histogram() -> None:
    records = make_records(500)
    records["intended_ns"] = records["start_ns"] = WARMUP_END_NS
    records["end_ns"] = WARMUP_END_NS + np.where(records["outcome"] == Outcome.OK, 100_000, 900_000_000)
    figures = record_all(records).figures(Phase.MEASUREMENT, WINDOW)
    assert figures.failed == int((records["outcome"] != Outcome.OK).sum()) > 0
    assert figures.histogram.total == figures.operations
    assert figures.histogram.max_us == 100


def test_an_open_loop_has_response_times_beside_service_times_and_a_closed_one_has_none() -> None:
    records = make_records(500)
    records["intended_ns"] -= 40_000_000
    figures = record_all(records, open_loop=True).figures(Phase.WARMUP, WINDOW)
    ok = records[records["outcome"] == Outcome.OK]
    assert figures.histogram == Histogram.from_values((ok["end_ns"] - ok["start_ns"] + 500) // 1000)
    responses = [kind.response for kind in figures.by_operation.values() if kind.response is not None]
    assert sum(responses, start=Histogram()) == Histogram.from_values((ok["end_ns"] - ok["intended_ns"] + 500) // 1000)
    assert all(
        kind.response is None for kind in record_all(records).figures(Phase.WARMUP, WINDOW).by_operation.values()
    )


def test_only_failures_leave_the_histograms_empty() -> None:
    records = make_records(50)
    records["outcome"], records["error"] = Outcome.DEADLOCK, 1
    recorder = record_all(records)
    assert recorder.totals() == (0, 50)
    assert all(recorder.figures(phase, WINDOW).histogram.total == 0 for phase in (Phase.WARMUP, Phase.MEASUREMENT))


def test_errors_are_counted_by_class_with_the_first_message_as_their_sample() -> None:
    records = make_records(3000)
    figures = record_all(records).figures(Phase.MEASUREMENT, WINDOW)
    outcomes = Counter(records["outcome"][records["start_ns"] >= WARMUP_END_NS].tolist())
    assert {label: error.count for label, error in figures.errors.items()} == {
        "deadlock": outcomes[Outcome.DEADLOCK],
        "constraint": outcomes[Outcome.CONSTRAINT],
        "connection_lost": outcomes[Outcome.CONNECTION_LOST],
    }
    assert {label: error.sample for label, error in figures.errors.items()} == {
        "deadlock": "40P01: deadlock detected",
        "constraint": "23505: duplicate key",
        "connection_lost": "server closed the connection",
    }


def test_totals_hold_both_phases() -> None:
    records = make_records(1000)
    succeeded, failed, _ = recount(records)
    assert record_all(records).totals() == (succeeded.total(), failed.total())


def test_figures_survive_the_way_through_the_store() -> None:
    figures = record_all(make_records(500)).figures(Phase.MEASUREMENT, WINDOW)
    assert PhaseFigures.from_json(figures.to_json()) == figures


def test_buffers_come_back_from_the_recorder_and_are_used_again() -> None:
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=lambda _: None)
    recorder.start(0, None)
    records = make_records(100).tobytes()
    buffer = bytearray(BUFFER)
    seen = {id(buffer): buffer}
    for handed in range(1, 301):
        buffer[:] = records
        buffer = recorder.swap(buffer, BUFFER)
        seen[id(buffer)] = buffer
        until(lambda handed=handed: sum(recorder.totals()) == 100 * handed, "the buffer is recorded")  # type: ignore[misc]
    recorder.finish()
    assert len(seen) <= 3, "buffers are made anew although old ones are free"
    assert sum(recorder.totals()) == 30_000


def test_a_recorder_that_was_never_started_can_be_finished() -> None:
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=lambda _: None)
    recorder.finish()
    assert recorder.totals() == (0, 0)


# With a spool


def manifest() -> Manifest:
    return Manifest("run", "run-worker-0", "worker-0", LABELS, ["a", "b", "c"], 1_700_000_000_000_000, 0, WARMUP_END_NS)


def test_the_log_holds_what_the_figures_count(tmp_path: Path) -> None:
    records, table, problems = make_records(2000), error_table(), list[QueryLogError]()
    recorder = Recorder(labels=LABELS, errors=table, on_error=problems.append)
    recorder.start(WARMUP_END_NS, SpoolWriter(spool_folder(tmp_path, "worker-0"), manifest()))
    feed(recorder, records[:1000], (100, 3))
    late = table.number(Outcome.STATEMENT_TIMEOUT, "57014", "canceling statement")
    records["outcome"][1000], records["error"][1000] = Outcome.STATEMENT_TIMEOUT, late
    feed(recorder, records[1000:], (100, 3))
    recorder.finish()
    recorder.finish()
    assert problems == []
    log = pq.read_table(seal_worker(tmp_path, "worker-0").files[0])
    assert log.num_rows == 2000 == sum(recorder.totals())
    assert Counter(log["outcome"].to_pylist()) == Counter(Outcome(value).label for value in records["outcome"].tolist())
    assert log["error"][1000].as_py() == "canceling statement"


class BrokenSpool(SpoolWriter):
    """A spool whose disk fails with the n-th buffer."""

    def __init__(self, folder: Path, failure: BaseException, at: int = 3) -> None:
        super().__init__(folder, manifest())
        self._failure, self._left = failure, at

    def write(self, records: memoryview, statement_ids: bytes | None = None) -> None:
        self._left -= 1
        if self._left <= 0:
            raise self._failure
        super().write(records, statement_ids)


@pytest.mark.parametrize("failure", [QueryLogError("the disk is full"), ZeroDivisionError("a bug")], ids=repr)
def test_a_failing_spool_is_reported_once_and_counts_nothing_that_it_does_not_hold(
    tmp_path: Path, failure: Exception
) -> None:
    problems: list[QueryLogError] = []
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=problems.append)
    spool = BrokenSpool(spool_folder(tmp_path, "worker-0"), failure)
    recorder.start(WARMUP_END_NS, spool)
    feed(recorder, make_records(1000), (100,))
    recorder.finish()
    assert len(problems) == 1
    assert str(failure) in str(problems[0])
    assert sum(recorder.totals()) == 200 == spool.rows


class HangingSpool(SpoolWriter):
    """A spool whose disk does not answer until the test lets it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, manifest())
        self.answer = threading.Event()

    def write(self, records: memoryview, statement_ids: bytes | None = None) -> None:
        assert self.answer.wait(DEADLINE_S)
        super().write(records, statement_ids)


def test_falling_behind_is_reported_once_while_the_disk_still_hangs_and_swapping_never_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MAX_BUFFERS", 5)
    problems: list[QueryLogError] = []
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=problems.append)
    spool = HangingSpool(spool_folder(tmp_path, "worker-0"))
    recorder.start(WARMUP_END_NS, spool)
    feed(recorder, make_records(400), (100,))
    assert problems == []
    feed(recorder, make_records(1600), (100,))
    assert len(problems) == 1
    assert "5 buffers behind" in str(problems[0])
    spool.answer.set()
    recorder.finish()
    assert len(problems) == 1
    assert sum(recorder.totals()) == spool.rows == 2000, "what was waiting is kept all the same"


def test_a_disk_that_is_full_when_the_spool_is_closed_raises_nothing_but_what_was_reported(tmp_path: Path) -> None:
    folder = spool_folder(tmp_path, "worker-0")
    folder.mkdir(parents=True)
    (folder / ERRORS).symlink_to("/dev/full")
    problems: list[QueryLogError] = []
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=problems.append)
    recorder.start(WARMUP_END_NS, SpoolWriter(folder, manifest()))
    feed(recorder, make_records(100), (100,))
    recorder.finish()
    assert len(problems) == 1
    assert os.strerror(28) in str(problems[0])


def test_attempts_commits_and_rollbacks_are_counted_for_transactions_only() -> None:
    records = np.zeros(6, RECORD_DTYPE)
    records["intended_ns"] = records["start_ns"] = WARMUP_END_NS
    records["end_ns"] = WARMUP_END_NS + 1_000_000
    records["operation"] = [1, 1, 1, 1, 1, 2]
    records["retries"] = [0, 3, 0, 2, 0, 0]
    records["outcome"] = [0, 0, 0, Outcome.DEADLOCK, Outcome.CONNECTION_LOST, 0]
    records["error"] = [0, 0, 0, 1, 4, 0]
    recorder = Recorder(labels=LABELS, errors=error_table(), on_error=print, transactions={0, 1})
    recorder.start(WARMUP_END_NS, None)
    feed(recorder, records, (2,))
    recorder.finish()
    by_operation = recorder.figures(Phase.MEASUREMENT, WINDOW).by_operation
    assert by_operation["POINT_LOOKUP"].transactions == TransactionFigures()
    # Three committed, one of them at its fourth attempt; one was rolled back three times; of the last nobody knows.
    assert by_operation["add"].transactions == TransactionFigures(attempts=10, commits=3, rollbacks=6)
    assert (by_operation["add"].operations, by_operation["add"].failed) == (3, 2)
    assert by_operation["ship"].transactions is None


def test_what_the_server_calls_statements_reaches_the_log(tmp_path: Path) -> None:
    made, ids = make_records(150), [uuid.UUID(int=1 << 100 | number) for number in range(150)]
    recorder, folder = Recorder(labels=LABELS, errors=error_table(), on_error=_raise), tmp_path
    manifest = Manifest("run", "test", "worker-0", LABELS, LABELS, 0, 0, WARMUP_END_NS)
    recorder.start(WARMUP_END_NS, SpoolWriter(spool_folder(folder, "worker-0"), manifest))
    for start in (0, 100):
        some = bytearray(made[start : start + 100].tobytes())
        recorder.swap(some, len(some), b"".join(one.bytes for one in ids[start : start + 100]))
    recorder.finish()
    table = pq.read_table(seal_worker(folder, "worker-0").files[0], columns=["server_query_id", "rows"])
    assert table.column("server_query_id").to_pylist() == [str(one) for one in ids]
    assert table.column("rows").to_pylist() == made["rows"].tolist()


def _raise(error: QueryLogError) -> None:
    raise error
