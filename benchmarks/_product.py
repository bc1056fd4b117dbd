"""One run of the product, as ``upperbound run`` does it, with its summary as the result; not a benchmark itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset as ds
from pydantic import SecretStr

from upperbound.clock import SystemClock
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.querylog.parquet import log_folder
from upperbound.scenario.loader import load_scenario
from upperbound.store.engine import open_store
from upperbound.store.events import EventRow
from upperbound.views.run_summary import RunSummary, load_summary

SERVED: Final = [
    {"kind": "GENERIC_SQL", "name": "served", "operation_type": "READ", "weight_pct": 100, "sql": "SELECT 1"}
]
"""The workload for a server of known capacity: every statement takes one slot."""


@dataclass(frozen=True)
class Made:
    """A run that was made."""

    summary: RunSummary
    told: tuple[EventRow, ...]
    """What its workers were told, by the store's clock, which is this host's."""
    log: ds.Dataset
    """Every query."""


def run_product(
    home: Path,
    url: str,
    load: Mapping[str, Any],
    *,
    scaling: Mapping[str, Any] | None = None,
    operations: list[dict[str, Any]] | None = None,
    password: SecretStr | None = None,
    table: str | None = None,
    seed: int = 1,
) -> Made:
    """Run a load to its end and return it; anything but COMPLETED ends the benchmark."""
    file = home / "scenario.yaml"
    file.write_text(
        json.dumps(
            {
                "name": "benchmark",
                "target": {"kind": "postgres", "url": url, "table": table},
                "load": dict(load),
                "scaling": dict(scaling or {"mode": "AUTO"}),
                "workload": {"seed": seed, "operations": operations or SERVED},
            }
        )
    )
    with open_store(f"sqlite:///{home}/upperbound.db") as store:
        orchestrator = Orchestrator(store, LocalLauncher(), SystemClock(), home)
        run_id = orchestrator.create_run(RunRequest(load_scenario(file).scenario, url, password))
        orchestrator.start_run(run_id)
        row = orchestrator.drive(run_id)
        if row.status != "COMPLETED":
            raise SystemExit(f"run {run_id} ended {row.status}: {row.completion_reason}")
        log = ds.dataset(log_folder(orchestrator.run_folder(run_id)), format="parquet")
        return Made(load_summary(store, run_id), tuple(store.events.after(run_id, 0)), log)
