"""What a probe of an account is, and how its outcome is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upperbound.domain.diagnosis import Check, CheckArea, CheckStatus
from upperbound.scenario.identifiers import TableName, quote_name

SHOWN = 5
"""How many names of a list a message holds."""


@dataclass(frozen=True)
class Answer:
    """What Snowflake answered to one statement."""

    columns: frozenset[str]
    """Names of the columns in lower case, also where there is no row."""
    rows: Sequence[Mapping[str, Any]] = ()
    """By those names."""

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return which of ``names`` is no column."""
        return [name for name in names if name not in self.columns]


@dataclass(frozen=True)
class Seen:
    """What is known when a probe is made."""

    tag: str
    """How the ``QUERY_TAG`` of every statement of these probes begins; no other session has it."""
    table: TableName | None = None
    """The scenario's table; None without one."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """Of the probes before this one, by name; one that was refused has none."""

    def place(self, key: str) -> str | None:
        """Return a value of the first probe, who is logged in and where; None when it has none."""
        rows = self.answers[SESSION].rows if SESSION in self.answers else ()
        value = rows[0].get(key) if rows else None
        return None if value in (None, "") else str(value)

    @property
    def scope(self) -> str:
        """Where a SHOW looks: in the session's database, else in the account."""
        database = self.place("database_name")
        return "ACCOUNT" if database is None else f"DATABASE {quote_name(database)}"


@dataclass(frozen=True)
class Skip:
    """Why there is nothing to ask."""

    reason: str


SESSION = "session"
"""The name of the first probe, whose answer others build upon."""


@dataclass(frozen=True)
class Judgement:
    """What an answer comes to."""

    status: CheckStatus
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Probe:
    """One read-only question to an account."""

    name: str
    """Unique."""
    statement: Callable[[Seen], str | Skip]
    """SELECT, SHOW, DESCRIBE or ALTER SESSION, and nothing else."""
    judge: Callable[[Answer, Seen], Judgement]
    refused: str
    """What to do when Snowflake refuses the statement."""
    needed: bool = False
    """Whether no run can start where it is refused."""

    def check(self, answer: Answer, seen: Seen) -> Check:
        """Return what an answer comes to."""
        judged = self.judge(answer, seen)
        return Check(CheckArea.ACCOUNT, self.name, judged.status, judged.found, judged.advice)

    def failed(self, said: str) -> Check:
        """Return what it comes to that Snowflake refused the statement."""
        status = CheckStatus.FAILED if self.needed else CheckStatus.WARNING
        return Check(CheckArea.ACCOUNT, self.name, status, said, self.refused)

    def skipped(self, reason: str) -> Check:
        """Return that it was not made."""
        return Check(CheckArea.ACCOUNT, self.name, CheckStatus.SKIPPED, reason)


def always(statement: str) -> Callable[[Seen], str]:
    """Return what asks the same in every account."""
    return lambda _seen: statement


def ok(found: str, advice: str = "") -> Judgement:
    """Return that there is nothing to do."""
    return Judgement(CheckStatus.OK, found, advice)


def warn(found: str, advice: str) -> Judgement:
    """Return that something works less well, or is not known."""
    return Judgement(CheckStatus.WARNING, found, advice)


def fail(found: str, advice: str) -> Judgement:
    """Return that a run would not start."""
    return Judgement(CheckStatus.FAILED, found, advice)


def some(names: Sequence[str]) -> str:
    """Return the first of some names, and how many there are more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
