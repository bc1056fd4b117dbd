"""Files that runs have left on the stage of a Snowflake store: which of them nobody needs any more."""

from dataclasses import dataclass

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store


@dataclass(frozen=True)
class Orphan:
    """The files of one run."""

    run_id: str
    files: int
    size_bytes: int
    may_go: bool
    """Whether they may be removed."""
    why: str
    """Why they may, or may not."""


def find_orphans(store: Store) -> list[Orphan]:
    """Return what is on the stage, by run. Raises :class:`StoreError`."""
    sizes: dict[str, list[int]] = {}
    for file in store.query_log.staged():
        sizes.setdefault(file.run_id, []).append(file.size_bytes)
    return [Orphan(run_id, len(own), sum(own), *_judge(store, run_id)) for run_id, own in sorted(sizes.items())]


def _judge(store: Store, run_id: str) -> tuple[bool, str]:
    """Say whether files of a run may be removed, and why."""
    try:
        run, result = store.runs.get(run_id), store.results.get(run_id)
    except RunNotFound:
        return True, "there is no such run in the store"
    if run.status not in TERMINAL or run.phase is not Phase.COMPLETED:
        return False, f"it is {run.status.value}, phase {run.phase.value}"
    kept = result.query_log or {}
    recorded, loaded = kept.get("rows"), kept.get("loaded_rows")
    if recorded is None or loaded != recorded:
        return False, f"{_number(loaded)} of {_number(recorded)} of its queries are in the store"
    return True, "all of its queries are in the store"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "an unknown number"
