"""Checks of the control and results store."""

from typing import Final

from upperbound.clock import Clock
from upperbound.domain.clock_offset import HARMLESS
from upperbound.domain.diagnosis import Check, CheckArea, CheckList
from upperbound.errors import ConfigurationError, StoreError, UpperboundError
from upperbound.orchestrator.start_checks import store_clock_offset
from upperbound.store.address import parse_store_url
from upperbound.store.check import check_store
from upperbound.store.engine import open_store
from upperbound.store.probe import StoreState, look_at_store, try_write

REACHABLE: Final = "reachable"
TABLES: Final = "tables"
WRITE: Final = "write"
CLOCK: Final = "clock"
_SHOWN: Final = 12


def check_store_at(url: str, clock: Clock) -> list[Check]:
    """Check the store at ``url``; what a user may do is tried in a transaction that is rolled back."""
    checks = CheckList(CheckArea.STORE)
    try:
        state = look_at_store(url)
    except StoreError as error:
        checks.fail(REACHABLE, error.message, error.hint, unreachable=True)
        checks.skip("there is no way into the store", TABLES, WRITE, CLOCK)
        return checks.checks
    except ConfigurationError as error:
        checks.fail(REACHABLE, error.message, error.hint)
        checks.skip("the store cannot be used", TABLES, WRITE, CLOCK)
        return checks.checks
    checks.ok(REACHABLE, state.shown if state.exists else f"{state.shown}: not there yet, the first run makes it")
    if not state.exists:
        checks.skip("the store is not there yet", TABLES, WRITE, CLOCK)
    elif _tables(checks, url, state):
        _write(checks, url, clock)
        _clock(checks, url, clock)
    else:
        checks.skip("the store has not the tables of this version", WRITE, CLOCK)
    return checks.checks


def _tables(checks: CheckList, url: str, state: StoreState) -> bool:
    """Check the schema, and say whether the store can be tried out."""
    address = parse_store_url(url)
    if not state.is_current:
        found = "none of Upperbound's" if state.revision is None else f"of revision {state.revision}"
        if state.migrates_itself:
            checks.ok(TABLES, f"{found}; the next run brings them to date")
        else:
            checks.fail(TABLES, found, address.init_hint)
        return False
    try:
        findings = check_store(url)
    except StoreError as error:
        checks.fail(TABLES, error.message, error.hint, unreachable=True)
        return False
    if findings:
        more = [f"and {len(findings) - _SHOWN} more"] if len(findings) > _SHOWN else []
        checks.fail(
            TABLES,
            "\n".join([*map(str, findings[:_SHOWN]), *more]),
            "something else has changed the tables: restore them, or name another store with --store",
        )
        return False
    checks.ok(TABLES, f"complete, revision {state.revision}")
    return True


def _write(checks: CheckList, url: str, clock: Clock) -> None:
    try:
        took_s = try_write(url, clock)
    except UpperboundError as error:
        checks.fail(WRITE, error.message, error.hint)
    else:
        checks.ok(WRITE, f"a run was written and taken back in {took_s * 1000:.1f} ms")


def _clock(checks: CheckList, url: str, clock: Clock) -> None:
    if parse_store_url(url).dialect == "sqlite":
        checks.ok(CLOCK, "the store is a file and has this host's clock")
        return
    try:
        with open_store(url, migrate=False) as store:
            offset = store_clock_offset(store, clock)
    except UpperboundError as error:
        checks.fail(CLOCK, error.message, error.hint, unreachable=isinstance(error, StoreError))
        return
    if offset.is_large:
        checks.warn(CLOCK, f"{offset}; {HARMLESS}", "set both clocks by NTP")
    else:
        checks.ok(CLOCK, str(offset))
