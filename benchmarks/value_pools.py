"""A value pool of 1,000,000 values: prepared with progress, then loaded by four workers at once, and its memory.

Usage: python benchmarks/value_pools.py [--values 1000000] [--workers 4] [--store sqlite|postgresql]

The embedded server holds a table with a bigint key, a text column of 32 characters and one of UUIDs. A template that
takes values of each is prepared as `upperbound template prepare` does it, with the same progress. Then so many worker
processes are started together, and when all of them are up they load at the same moment: each opens the store, reads
the run, loads its pools and prepares its work as a worker does, up to where it would open its connections. The time is
from that moment until the last one is ready. Memory is by how much a process grew while it loaded and prepared, and
the most it had. The processor time of the loading is that of a worker by itself, however busy the machine is.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from upperbound.cli.pool_progress import make_pool_progress
from upperbound.clock import SystemClock
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.environment import describe_environment
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.orchestrator.value_pools import PoolOrder, prepare_template
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.templates import TemplateRef
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.postgres import ConnInfo

BAR_S = 5.0
"""The longest that all workers together may take to load the pool of one column."""
COLUMNS = {"id": "bigint", "token": "text", "key": "uuid"}
THREADS = 8
WORKER = Path(__file__).with_name("_pool_worker.py")


def main() -> int:
    """Measure, print, and return 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    given = parser.parse_args()
    settings = {"shared_buffers": "512MB", "autovacuum": "off"}
    with tempfile.TemporaryDirectory() as home, EmbeddedServer(max_connections=100, settings=settings) as server:
        facts = describe_environment(target_version="PostgreSQL (embedded)", seed=1)
        print(f"{facts['cpu']}; {facts['driver']}; {psutil.getloadavg()[0]:.1f} load before")
        _make_table(server, given.values)
        with _store(given.store, Path(home), server) as store:
            passed = [
                _measure(store, server, Path(home), columns, given.values, given.workers)
                for columns in (["id"], ["token"], ["key"], list(COLUMNS))
            ]
    print("passed" if all(passed) else "failed")
    return 0 if all(passed) else 1


@contextlib.contextmanager
def _store(kind: str, home: Path, server: EmbeddedServer) -> Iterator[Store]:
    if kind == "sqlite":
        url = f"sqlite:///{home}/upperbound.db"
    else:
        with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE control")
        url = server.url_with_password("control")
    init_store(url)
    with open_store(url) as store:
        yield store


def _make_table(server: EmbeddedServer, values: int) -> None:
    """Make a table that holds a fifth more values than a pool takes."""
    with psycopg.connect(server.url_with_password(), autocommit=True) as connection:
        connection.execute("CREATE TABLE things (id bigint PRIMARY KEY, token text, key uuid)")
        connection.execute(
            "INSERT INTO things SELECT i * 7919::bigint, md5(i::text), gen_random_uuid()"
            " FROM generate_series(1, %s) AS i",
            [values * 6 // 5],
        )
        connection.execute("VACUUM (ANALYZE) things")


def _measure(store: Store, server: EmbeddedServer, home: Path, columns: list[str], values: int, workers: int) -> bool:
    """Prepare and load the pools of some columns, print what it took, and say whether that is within the bar."""
    clock, info = SystemClock(), ConnInfo(server.url, server.password, "upperbound:benchmark")
    scenario = _scenario(columns, values, workers)
    row = store.templates.create(scenario, saved_by="benchmark")
    template = TemplateRef(row.template_id, row.latest_version)
    begun_ns = clock.monotonic_ns()
    with make_pool_progress(quiet=False, clock=clock) as progress:
        pools = prepare_template(store, PoolOrder(scenario, template, info, seed=1, sampled_by="benchmark"), progress)
    prepare_s = (clock.monotonic_ns() - begun_ns) / 1e9
    size_mib = sum(pool.value_bytes for pool in pools) / 2**20
    count = sum(pool.value_count for pool in pools)
    print(f"{', '.join(columns)}: {count:,} values of {size_mib:.1f} MiB prepared in {prepare_s:.2f} s")

    orchestrator = Orchestrator(store, LocalLauncher(), clock, home)
    run_id = orchestrator.create_run(RunRequest(scenario, server.url, server.password, template))
    assert not orchestrator.warnings[run_id] or all("pools" not in text for text in orchestrator.warnings[run_id])
    password = store.password.get_secret_value() if store.password else ""
    environment = {
        **os.environ,
        "PGPASSWORD": server.password.get_secret_value(),
        "UPPERBOUND_STORE_PASSWORD": password,
    }
    started_ns = clock.monotonic_ns()
    children = [
        subprocess.Popen(
            [sys.executable, str(WORKER), store.url, run_id, str(group), str(workers)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for group in range(workers)
    ]
    for child in children:
        assert _line(child) == "up\n"
    begun_ns = clock.monotonic_ns()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [json.loads(_line(child)) for child in children]
    all_s, up_s = (clock.monotonic_ns() - begun_ns) / 1e9, (begun_ns - started_ns) / 1e9
    for child in children:
        child.communicate()
    for answer in answers:
        print(
            "  {name}: loaded in {load_s:.2f} s ({load_cpu_s:.2f} s of a core), prepared in {prepare_s:.2f} s; "
            "{values_mib:.1f} MiB of values took {grown_mib:.1f} MiB of memory, {before_mib:.0f} MiB before, "
            "at most {peak_mib:.0f} MiB".format(**answer)
        )
    wanted = f", wanted less than {BAR_S:.0f} s" if len(columns) == 1 else ""
    print(f"  {workers} workers were up after {up_s:.2f} s and had all values {all_s:.2f} s later{wanted}", flush=True)
    return all_s < BAR_S or len(columns) > 1


def _line(child: subprocess.Popen[str]) -> str:
    """Return the next line that a worker prints."""
    assert child.stdout is not None
    return child.stdout.readline()


def _scenario(columns: list[str], values: int, workers: int) -> Scenario:
    sql = "SELECT " + ", ".join(f"${place}::{COLUMNS[column]}" for place, column in enumerate(columns, 1))
    params = [{"pool": column, "limit": values} for column in columns]
    return Scenario.model_validate(
        {
            "name": f"pools of {' '.join(columns)}",
            "target": {"kind": "postgres", "url": "postgresql://postgres@127.0.0.1/postgres", "table": "things"},
            "load": {"mode": "CONCURRENCY", "duration_seconds": 1},
            "scaling": {"mode": "FIXED", "min_workers": workers, "min_threads": THREADS},
            "workload": {
                "seed": 1,
                "operations": [
                    {"kind": "GENERIC_SQL", "operation_type": "READ", "weight_pct": 100, "sql": sql, "params": params}
                ],
            },
        }
    )


if __name__ == "__main__":
    sys.exit(main())
