"""A run whose store, target, processes and reader live in four time zones has one time."""

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import CLOCK, MEASURED, Place
from tests.acceptance.query_log import QueryLog
from tests.acceptance.scenarios import items_scenario

from upperbound.store.engine import open_store

STORE_ZONE, TARGET_ZONE, PROCESS_ZONE = "Asia/Kolkata", "America/Los_Angeles", "America/St_Johns"
WARMUP_S, DURATION_S = 1.0, 2.0
SLACK = timedelta(milliseconds=5)
"""Between the clock of this process and the store's, which is read on the same machine."""


def set_zone(url: str, zone: str) -> None:
    """Give every later session of a database another time zone, and another way to write dates."""
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET timezone = '{zone}'".encode())
        connection.execute(f"ALTER DATABASE {name} SET datestyle = 'German'".encode())


def moment(text: str) -> datetime:
    """Read a time that a command printed: each one says that it is UTC."""
    read = datetime.fromisoformat(text)
    assert read.utcoffset() == timedelta(0), text
    return read


def test_elapsed_time_durations_and_order_are_right_wherever_everybody_is(
    place: Place, database: Database, postgres_store: str
) -> None:
    set_zone(postgres_store, STORE_ZONE)
    set_zone(database.url_with_password, TARGET_ZONE)
    environment = {**database.environment, "TZ": PROCESS_ZONE}
    plan = {"load.warmup_seconds": WARMUP_S, "load.duration_seconds": DURATION_S}
    place.write("scenario.yaml", items_scenario(database.url, plan))

    before = CLOCK.utc_now() - SLACK
    arguments = ("run", "scenario.yaml", "--json", "run.json", "--store", postgres_store)
    outcome = place.run(*arguments, environment=environment)
    after = CLOCK.utc_now() + SLACK

    assert outcome.code in MEASURED, outcome.text
    shown = [float(text) for text in re.findall(r"^\w+ (\d+\.\d) s/\d", outcome.err, re.MULTILINE)]
    assert shown
    assert all(0.0 <= seconds <= DURATION_S for seconds in shown), "a 20 s run once showed 28,810 s"
    summary = place.summary("run.json")
    assert summary["duration_seconds"] == pytest.approx(DURATION_S, abs=0.1)
    started, ended = moment(summary["started_at"]), moment(summary["ended_at"])
    assert before < started < ended < after
    assert ended - started >= timedelta(seconds=WARMUP_S + DURATION_S)

    listed = place.run("runs", "list", "--json", "--store", postgres_store, environment=environment)
    (entry,) = json.loads(listed.out)
    assert before < moment(entry["created_at"]) < started == moment(entry["started_at"])
    assert entry["elapsed_seconds"] == pytest.approx((ended - started).total_seconds(), abs=0.001)

    log = QueryLog.of_run(postgres_store, summary["run_id"], place.home)
    (first,) = log.ask("SELECT epoch_us(min(started_at)) FROM log")[0]
    assert started - SLACK <= datetime.fromtimestamp(first / 1e6, tz=started.tzinfo)
    assert log.last("ended_at") <= ended + SLACK

    with open_store(postgres_store) as store:
        run_id = summary["run_id"]
        events = [event.created_at for event in store.events.after(run_id)]
        assert timedelta(0) <= events[0] - started < timedelta(seconds=1), "START is written with the status"
        assert events == sorted(events)
        assert events[-1] <= ended
        for worker_id in ("worker-0", "worker-1"):
            elapsed = [row.elapsed_s for row in store.snapshots.series(run_id, worker_id=worker_id)]
            assert all(earlier < later for earlier, later in pairwise(elapsed))
            assert 0 < elapsed[0] < elapsed[-1] <= WARMUP_S + DURATION_S + 1.0
        lines = store.logs.after(run_id)
        assert all(before <= line.logged_at <= line.received_at + SLACK <= after for line in lines)
        assert [line.received_at for line in lines] == sorted(line.received_at for line in lines)
