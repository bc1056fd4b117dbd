"""Making the probes of an account, one after the other over one session; a probe that fails stops no other."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from upperbound.clock import Clock
from upperbound.domain.diagnosis import Check, CheckArea, CheckList
from upperbound.errors import ConfigurationError, TargetError, TargetMismatch
from upperbound.orchestrator.diagnosis.account import history, identity, objects, sessions, warehouses
from upperbound.orchestrator.diagnosis.account.probe import Answer, Probe, Seen, Skip
from upperbound.scenario.identifiers import SNOWFLAKE, parse_table
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.sf_connection import SnowflakeInfo, ask, open_session
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_target import snowflake_info

REACHABLE: Final = "reachable"
STATEMENT_TIMEOUT_S: Final = 60
"""How long Snowflake lets one of the statements go on."""
PROBES: Final[Sequence[Probe]] = (
    *identity.PROBES,
    *warehouses.PROBES,
    *sessions.PROBES,
    *history.PROBES,
    *objects.PROBES,
)


def check_account(target: SnowflakeTarget, clock: Clock) -> list[Check]:
    """Log in and make every probe that can be made.

    Nothing is changed but parameters of the session itself. Some of the statements take a warehouse, which is resumed
    when it resumes by itself.
    """
    checks = CheckList(CheckArea.ACCOUNT)
    tag = f"upperbound:doctor:{secrets.token_hex(6)}"
    began_ns = clock.monotonic_ns()
    try:
        asked = target.model_copy(update={"statement_timeout_seconds": STATEMENT_TIMEOUT_S})
        info = snowflake_info(asked, purpose=tag)
        # As sessions of targets and of stores have it, together.
        settings = replace(info.settings, result_cache=False, read_latest_writes=True)
        info = replace(info, settings=settings)
        session = open_session(info)
    except (TargetError, ConfigurationError) as error:
        checks.fail(REACHABLE, error.message, error.hint, unreachable=isinstance(error, TargetError))
        checks.skip("there is no way into the account", *(probe.name for probe in PROBES))
        return checks.checks
    took_s = (clock.monotonic_ns() - began_ns) / 1e9
    login = f"{info.login.method.value} of {info.login.source}"
    found = f"{info.address} takes {login}, within {took_s:.2f} s"
    if info.login.warning:
        checks.warn(REACHABLE, found, info.login.warning)
    else:
        checks.ok(REACHABLE, found)
    table = parse_table(target.table, SNOWFLAKE) if target.table is not None else None
    walk = _Walk(info, session, Seen(tag, table=table))
    try:
        for probe in PROBES:
            checks.checks.append(walk.make(probe))
    finally:
        walk.close()
    return checks.checks


class _Walk:
    """The probes over one session, which is opened anew when it breaks."""

    def __init__(self, info: SnowflakeInfo, session: Session, seen: Seen) -> None:
        self._info, self._seen = info, seen
        self._session: Session | None = session
        self._gone = ""
        """Why there is no session any more."""

    def make(self, probe: Probe) -> Check:
        """Make one probe and return what it comes to; never raises."""
        statement = probe.statement(self._seen)
        if isinstance(statement, Skip):
            return probe.skipped(statement.reason)
        session = self._open()
        if session is None:
            return probe.skipped(f"the session was lost: {self._gone}")
        try:
            columns, rows = ask(session, statement)
        except TargetMismatch as error:
            return probe.failed(error.message)
        except TargetError as error:
            self.close()
            return probe.failed(error.message)
        answer = Answer(frozenset(columns), rows)
        try:
            check = probe.check(answer, self._seen)
        except (LookupError, TypeError, ValueError) as error:
            # An account may answer with what no judge has thought of: that is what is looked for here.
            return probe.failed(f"the answer is of a form that is not known: {type(error).__name__}: {error}")
        self._seen = replace(self._seen, answers={**self._seen.answers, probe.name: answer})
        return check

    def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):
                session.close()

    def _open(self) -> Session | None:
        """Return the session, a new one after the loss of another; None once that failed."""
        if self._session is None and not self._gone:
            try:
                self._session = open_session(self._info)
            except TargetError as error:
                self._gone = error.message
        return self._session
