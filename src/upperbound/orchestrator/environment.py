"""Where a run took place: what a reader needs to judge its figures, and what a rerun should look like."""

import os
import platform
from pathlib import Path

import psutil
import psycopg
from psycopg import pq

import upperbound


def describe_environment(*, target_version: str, seed: int, driver: str | None = None) -> dict[str, str | int]:
    """Return the facts of ``environment`` in a run's summary; the ``driver`` is that of PostgreSQL when left out."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return {
        "target_version": target_version,
        "driver": driver or postgres_driver(),
        "host": f"{platform.node()} ({platform.system()} {platform.release()}, {memory_gib:.0f} GiB)",
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "upperbound_version": upperbound.__version__,
        "seed": seed,
    }


def postgres_driver() -> str:
    """Return name and version of what talks to PostgreSQL; libpq's is written as people do: 180006 is 18.6."""
    libpq = f"{pq.version() // 10000}.{pq.version() % 10000}"
    return f"psycopg {psycopg.__version__} ({pq.__impl__}, libpq {libpq})"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
