"""A process that uses a store: ``writer_process.py JOB [ARGUMENT…]``, the store's URL in STORE_URL.

It says ``ready`` and waits for a line, so that several of them set off at the same moment, and prints what it has done.
"""

import os
import sys
from dataclasses import replace

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.value_blocks import ValueEncoding, integer_block
from upperbound.domain.value_pools import TableState
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import StoreError, StoreUnreachable, TemplateConflict
from upperbound.store.address import parse_store_url
from upperbound.store.database import Database
from upperbound.store.engine import open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun, Rollup
from upperbound.store.snapshots import Snapshot
from upperbound.store.tables import run_status
from upperbound.store.templates import TemplateRef
from upperbound.store.value_pools import NewPool

URL = os.environ["STORE_URL"]
COLUMNS = ["a", "b", "c"]
POOL = NewPool(
    target="7312/5",
    server="127.0.0.1:5432/shop",
    table='"orders"',
    column="",
    limit=600,
    seed=1,
    value_type="bigint",
    encoding=ValueEncoding.INTEGER,
    table_state=TableState("1", "2", 600.0),
    sampled_by="a writer",
)


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def ready() -> None:
    say("ready")
    sys.stdin.readline()


def open_it() -> None:
    ready()
    with open_store(URL, migrate=True) as store:
        say(store.now().isoformat())


def pools(name: str, turns: int) -> None:
    """Prepare a template's pools anew and make runs that use what there is; prints how many of those it could not read.

    A run whose pools are replaced in the moment it is created is refused, and made again.
    """
    with open_store(URL) as store:
        template = TemplateRef(store.templates.find("Sample").template_id, 1)
        ready()
        unread = refused = 0
        for turn in range(turns):
            made = [store.value_pools.begin(replace(POOL, column=column)) for column in COLUMNS]
            for pool_id in made:
                for chunk in range(6):
                    store.value_pools.append(pool_id, chunk, integer_block([turn] * 100))
            store.value_pools.publish(made, template)
            store.value_pools.sweep()
            found = store.value_pools.of_template(template.template_id)
            run_id = f"run-{name}-{turn}"
            try:
                ids = [pool.pool_id for pool in found]
                store.runs.create(NewRun(run_id, "x", {"name": "x"}, 1, value_pools=ids))
            except StoreUnreachable:
                raise
            except StoreError:
                refused += 1
                continue
            used = store.value_pools.of_run(run_id)
            values = sum(block.count for pool in used for block in store.value_pools.blocks(pool))
            unread += [pool.column for pool in used] != COLUMNS or values != 600 * len(COLUMNS)
            if turn % 2:
                store.runs.transition(run_id, expected=RunStatus.PREPARED, to=RunStatus.FAILED)
        say(f"{unread} {refused}")


def live(name: str, turns: int) -> None:
    """Do what a worker and its orchestrator do, as fast as possible; prints the events' numbers."""
    number = int(name)
    with open_store(URL) as store:
        ready()
        for turn in range(1, turns + 1):
            store.heartbeats.upsert(
                Heartbeat("run-1", f"worker-{name}", number, WorkerStatus.RUNNING, Phase.MEASUREMENT, queries=turn)
            )
            store.snapshots.write(
                Snapshot(
                    run_id="run-1",
                    test_id=f"run-1-worker-{name}",
                    worker_id=f"worker-{name}",
                    group_id=number,
                    group_count=8,
                    sequence=turn,
                    phase=Phase.MEASUREMENT,
                    elapsed_s=float(turn),
                    operations=turn,
                    failed=0,
                    qps=1.0,
                    p50_ms=1.0,
                    p95_ms=1.0,
                    p99_ms=1.0,
                    active_threads=1,
                    target_threads=1,
                    figures={"histogram": "x" * 2000},
                )
            )
            say(store.events.append("run-1", EventType.SET_PHASE, {"turn": turn, "writer": number}))
            store.events.after("run-1", turn, limit=10)
            store.runs.update_rollup("run-1", Rollup(8, 8, 0, turn, 0, 1.0))
            assert store.runs.get("run-1").status is RunStatus.PREPARED


def die_between_number_and_event() -> None:
    """Take an event's number, and never come to insert it."""
    database = Database(parse_store_url(URL))
    with database.transaction() as connection:
        connection.execute(run_status.update().values(next_sequence_id=run_status.c.next_sequence_id + 1))
        ready()


def save_template(template_id: str, name: str) -> None:
    """Save on the first version of a template."""
    with open_store(URL) as store:
        given = store.templates.version(template_id, 1).scenario.model_copy(update={"tags": {"writer": name}})
        ready()
        try:
            store.templates.save(template_id, given, base_version=1, saved_by=name)
        except TemplateConflict:
            say("refused")
        else:
            say("saved")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["open"]:
            open_it()
        case ["live", name, turns]:
            live(name, int(turns))
        case ["save", template_id, name]:
            save_template(template_id, name)
        case ["pools", name, turns]:
            pools(name, int(turns))
        case ["die"]:
            die_between_number_and_event()
        case _:
            sys.exit("unknown job")
