"""From the sealed files of a worker into the tables of a store that keeps queries there.

A receipt is left in the place of files that were loaded: it says how many rows they had. Any step may be the last one
of a process that is killed; whoever comes next begins again, and doubles nothing.
"""

import json
import logging
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upperbound.errors import QueryLogError, StoreError, StoreUnreachable
from upperbound.querylog.parquet import log_folder, worker_log
from upperbound.store.engine import Store

log = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""How often a load that the store refuses is tried."""
LATER_ATTEMPTS: Final = 20
"""How often it is tried while the store says later. Each of these takes half a minute when the lock of a load is held
that was cut off: Snowflake takes five minutes to see that a client is gone.
"""
AGAIN_S: Final = 1.0
"""The wait before the second attempt; twice as long before each further one, up to :data:`AGAIN_MOST_S`."""
AGAIN_MOST_S: Final = 8.0
_RECEIPT: Final = ".loaded.json"


@dataclass(frozen=True)
class Recorded:
    """What this machine knows of the log of one worker."""

    rows: int
    """How many queries were recorded."""
    is_loaded: bool
    """Whether they are in the store's tables, and no more in files."""


def recorded(run_folder: Path, worker_id: str) -> Recorded:
    """Return how many queries the log of a worker has, loaded or not. Raises :class:`QueryLogError`."""
    receipt = _receipt(run_folder, worker_id)
    try:
        return Recorded(int(json.loads(receipt.read_text("utf-8"))["rows"]), is_loaded=True)
    except FileNotFoundError:
        return Recorded(worker_log(run_folder, worker_id).rows, is_loaded=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QueryLogError(f"the receipt {receipt} cannot be read: {error}") from error


def load_worker_log(store: Store, run_folder: Path, run_id: str, worker_id: str, over: threading.Event) -> str:
    """Load what a worker has sealed, and remove the files; returns what went wrong, or nothing.

    Does nothing for a store that keeps queries in files. What the store refuses is tried :data:`ATTEMPTS` times, and
    :data:`LATER_ATTEMPTS` times while the store is away or busy, unless ``over`` is set meanwhile. The files are kept
    until an attempt has succeeded.
    """
    if not store.query_log.keeps_rows:
        return ""
    why, refused, later, wait_s = "it was not tried", 0, 0, AGAIN_S
    while not over.is_set():
        try:
            _load(store, run_folder, run_id, worker_id)
        except StoreUnreachable as error:
            why, later = str(error), later + 1
        except (StoreError, QueryLogError) as error:
            why, refused = str(error), refused + 1
        else:
            return ""
        log.warning("the query log of %s could not be loaded: %s", worker_id, why)
        if refused == ATTEMPTS or later == LATER_ATTEMPTS:
            break
        over.wait(wait_s)
        wait_s = min(AGAIN_MOST_S, 2 * wait_s)
    return f"the query log of {worker_id} is not in the store, and is kept in {log_folder(run_folder)}: {why}"


def _load(store: Store, run_folder: Path, run_id: str, worker_id: str) -> None:
    """Load and remove the files, if there are any. Raises :class:`StoreError` and :class:`QueryLogError`."""
    parts = worker_log(run_folder, worker_id)
    if not parts.files:
        return
    receipt = _receipt(run_folder, worker_id)
    if not receipt.exists():
        scratch = run_folder / "staging" / worker_id
        try:
            store.query_log.load_worker(run_id, worker_id, parts.files, parts.rows, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        log.info("query log of %s loaded into the store: %d rows", worker_id, parts.rows)
    try:
        # First the receipt: of files of which some are gone nobody could say how many rows they had.
        draft = receipt.with_suffix(".draft")
        draft.write_text(json.dumps({"rows": parts.rows}), "utf-8")
        draft.replace(receipt)
        for file in parts.files:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise QueryLogError(f"loaded files of {worker_id} cannot be removed: {error}") from error


def _receipt(run_folder: Path, worker_id: str) -> Path:
    return log_folder(run_folder) / f"{worker_id}{_RECEIPT}"
