"""The demo is a true benchmark: what its summary claims, its query log holds."""

import os
import pty
import re
import select
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.acceptance.place import CLOCK, COMMAND, DEADLINE_S, MEASURED, Outcome, Place
from tests.acceptance.query_log import QueryLog

from upperbound.report.terminal import CLIENT_BOUND

MIX = {"POINT_LOOKUP": 60.0, "RANGE_SCAN": 20.0, "INSERT": 10.0, "UPDATE": 10.0}
LATENCY = {"p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "mean_ms", "stddev_ms"}
FIELDS = {
    "run_id",
    "name",
    "status",
    "phase",
    "completion_reason",
    "cancellation_reason",
    "started_at",
    "ended_at",
    "duration_seconds",
    "warmup_seconds",
    "load_mode",
    "scaling_mode",
    "worker_count",
    "threads",
    "target_qps",
    "total_operations",
    "failed_operations",
    "qps",
    "attempted_qps",
    "error_pct",
    "latency",
    "response_time",
    "by_kind",
    "workers",
    "errors",
    "generator",
    "slo",
    "cost",
    "enrichment",
    "find_max",
    "query_log",
    "environment",
}
ESCAPE = "\x1b"


@dataclass(frozen=True)
class Demo:
    """A demo that has run."""

    outcome: Outcome
    summary: dict[str, Any]
    log: QueryLog
    leftovers: str
    """What it has left running or in temporary folders; empty when nothing."""


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """Run the demo once, with its output in files."""
    place = Place()
    arguments = ("--workers", "2", "--threads", "8", "--duration", "5", "--warmup", "1", "--json", "demo.json")
    outcome = place.run("demo", *arguments, deadline_s=90.0)
    assert outcome.code in MEASURED, outcome.text
    summary = place.summary("demo.json")
    leftovers = "" if place.nothing_is_left() else place.leftovers()
    yield Demo(outcome, summary, QueryLog(place.home / "runs" / summary["run_id"]), leftovers)
    place.remove()


def test_the_demo_succeeds_or_says_that_the_machine_was_too_slow_for_it(demo: Demo) -> None:
    client_bound = demo.summary["generator"]["client_bound"]
    assert demo.outcome.code == (7 if client_bound else 0)
    assert (CLIENT_BOUND in demo.outcome.text) == client_bound
    assert demo.summary["status"] == "COMPLETED"
    assert demo.leftovers == ""


def test_the_summary_has_every_field(demo: Demo) -> None:
    summary = demo.summary
    assert summary.keys() >= FIELDS
    assert summary["latency"].keys() >= LATENCY | {"method"}
    assert set(summary["generator"]) >= {"busy_pct", "lag_p99_ms", "client_bound"}
    assert set(summary["slo"]) >= {"passed", "checks"}
    assert set(summary["enrichment"]) >= {"status", "reason"}
    assert set(summary["query_log"]) >= {"rows", "files", "path"}
    environment = {"target_version", "driver", "host", "cpu", "upperbound_version", "seed"}
    assert set(summary["environment"]) >= environment
    assert all(summary["environment"][name] is not None for name in environment)
    for kind in summary["by_kind"].values():
        assert kind.keys() >= {"operations", "failed", "qps", "latency"}
        assert kind["latency"].keys() >= LATENCY
    for worker in summary["workers"]:
        assert worker.keys() >= {"worker_id", "group_id", "status", "operations", "failed", "qps", "p95_ms"}


def test_two_workers_have_each_done_their_share_of_four_kinds(demo: Demo) -> None:
    summary = demo.summary
    assert (summary["worker_count"], summary["threads"]) == (2, 16)
    assert [worker["worker_id"] for worker in summary["workers"]] == ["worker-0", "worker-1"]
    assert all(worker["operations"] > 0 and worker["status"] == "COMPLETED" for worker in summary["workers"])
    assert sum(worker["operations"] for worker in summary["workers"]) == summary["total_operations"]
    assert summary["by_kind"].keys() == MIX.keys()
    assert all(kind["operations"] > 0 for kind in summary["by_kind"].values())
    assert sum(kind["operations"] for kind in summary["by_kind"].values()) == summary["total_operations"]
    assert summary["failed_operations"] == 0, summary["errors"]


def test_percentiles_of_the_run_are_merged_and_in_order(demo: Demo) -> None:
    latency = demo.summary["latency"]
    assert latency["method"] == "hdr_histogram_merge"
    ordered = [latency[name] for name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms")]
    assert ordered == sorted(ordered)
    assert ordered[0] > 0


def test_the_query_log_holds_every_query_once(demo: Demo) -> None:
    summary, log = demo.summary, demo.log
    counted = summary["total_operations"] + summary["failed_operations"] + summary["warmup_operations"]
    assert summary["query_log"]["rows"] == counted
    assert log.count() == counted
    assert log.ask("SELECT count(DISTINCT execution_id) FROM log") == [(counted,)]
    assert log.count("NOT warmup AND outcome = 'ok'") == summary["total_operations"]
    assert log.count("warmup") == summary["warmup_operations"] > 0
    assert log.ask("SELECT DISTINCT worker_id, thread FROM log ORDER BY ALL") == [
        (f"worker-{worker}", thread) for worker in range(2) for thread in range(8)
    ]


def test_the_figures_are_those_of_the_log(demo: Demo) -> None:
    ((low, high, p95_us, max_us),) = demo.log.ask(
        "SELECT epoch_us(min(started_at)), epoch_us(max(started_at)), quantile_disc(service_us, 0.95), max(service_us) "
        "FROM log WHERE NOT warmup AND outcome = 'ok'"
    )
    summary = demo.summary
    assert summary["latency"]["p95_ms"] == pytest.approx(p95_us / 1000, rel=0.001)
    assert summary["latency"]["max_ms"] == pytest.approx(max_us / 1000, rel=0.001)
    assert (high - low) / 1e6 == pytest.approx(5.0, abs=0.2)
    assert summary["qps"] == pytest.approx(summary["total_operations"] / 5.0, rel=0.05)


def test_the_mix_is_within_half_a_point_of_the_weights(demo: Demo) -> None:
    assert demo.log.count() >= 10_000
    observed = dict(demo.log.ask("SELECT kind, 100.0 * count(*) / (SELECT count(*) FROM log) FROM log GROUP BY kind"))
    assert observed == {kind: pytest.approx(weight, abs=0.5) for kind, weight in MIX.items()}


def test_in_a_pipe_the_output_is_plain_lines(demo: Demo) -> None:
    assert ESCAPE not in demo.outcome.out + demo.outcome.err
    assert "\r" not in demo.outcome.out + demo.outcome.err
    assert re.search(r"^WARMUP 0\.\d s/1\.0 s: ", demo.outcome.err, re.MULTILINE)
    measured = re.findall(
        r"^MEASUREMENT (\d\.\d) s/5\.0 s: ([\d,]+) queries/s, p95 .* ms", demo.outcome.err, re.MULTILINE
    )
    assert len(measured) >= 3
    for figure in ("QPS", "p99.9", "POINT_LOOKUP", "worker-1", "query log"):
        assert figure in demo.outcome.out


def on_a_terminal(place: Place, *arguments: str, deadline_s: float = 60.0) -> tuple[int, str]:
    """Run the command with a terminal of 100 columns; return its exit code and what it drew."""
    ours, theirs = pty.openpty()
    environment = place.environment({"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"})
    process = subprocess.Popen(
        [str(COMMAND), *arguments],
        cwd=place.work,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    drawn = b""
    deadline_ns = CLOCK.monotonic_ns() + int(deadline_s * 1e9)
    try:
        while CLOCK.monotonic_ns() < deadline_ns:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            chunk = os.read(ours, 65536)
            if not chunk:
                break
            drawn += chunk
    except OSError:
        # Linux answers so when the last process has closed the terminal.
        pass
    finally:
        os.close(ours)
    return process.wait(DEADLINE_S), drawn.decode(errors="replace")


def test_on_a_terminal_the_run_is_drawn_live(place: Place) -> None:
    code, drawn = on_a_terminal(place, "demo", "--workers", "2", "--threads", "2", "--duration", "2", "--warmup", "0.5")
    assert code in MEASURED, drawn
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    assert drawn.count(f"{ESCAPE}[1A") + drawn.count(f"{ESCAPE}[2K") > 5, "the display is drawn over and over"
    assert f"{ESCAPE}[?25l" in drawn, "the cursor is hidden while it is drawn"
    assert drawn.rindex(f"{ESCAPE}[?25h") > drawn.rindex(f"{ESCAPE}[?25l"), "the cursor is back at the end"
    for part in ("WARMUP", "MEASUREMENT", "worker-0", "worker-1", "p95", "Ctrl-C stops the run."):
        assert part in plain
    assert re.search("[▁▂▃▄▅▆▇█]", plain), "each worker has a sparkline"
    assert "COMPLETED" in plain
    assert place.nothing_is_left(), place.leftovers()
