"""Sessions of clients: their tokens, their parameters, and what each login sent."""

import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_ANSWERS_KEPT = 32


@dataclass
class Running:
    """A statement that is being run, and the means to stop it."""

    query_id: str
    request_id: str
    sql: str
    cancelled: threading.Event = field(default_factory=threading.Event)
    timed_out: bool = False
    queued_ms: int = 0
    blocked_ms: int = 0
    """How long it waited for the end of another transaction."""


@dataclass
class Session:
    """A client's session; statements in it run one after the other."""

    session_id: int
    user: str
    role: str
    warehouse: str | None
    engine: Any
    """The connection of the engine behind the emulator."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    master_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    parameters: dict[str, str] = field(default_factory=dict)
    token_expired: bool = False
    master_expired: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: dict[str, Running] = field(default_factory=dict)
    """By request id."""
    answers: "OrderedDict[str, Future[dict[str, Any]]]" = field(default_factory=OrderedDict)
    """Answers by request id: a client that lost the connection repeats a request and gets the same answer."""
    last_query_id: str | None = None
    transaction: Any = None
    """The open transaction, if there is one."""

    def parameter(self, name: str, default: str = "") -> str:
        """Return a session parameter's value as text."""
        return self.parameters.get(name, default)

    def remember_answer(self, request_id: str) -> "tuple[Future[dict[str, Any]], bool]":
        """Return the place of a request's answer, and whether the request is a new one."""
        if request_id in self.answers:
            return self.answers[request_id], False
        place: Future[dict[str, Any]] = Future()
        self.answers[request_id] = place
        while len(self.answers) > _ANSWERS_KEPT:
            self.answers.popitem(last=False)
        return place, True


class Sessions:
    """All open sessions; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_token: dict[str, Session] = {}
        self._numbers = itertools.count(1_000_001)
        self.logging_in = 0
        self.most_logging_in = 0
        self.most_open = 0
        self.logins: list[dict[str, Any]] = []

    @contextmanager
    def login(self) -> Iterator[int]:
        """Count a login while it goes on; yields the number of its session."""
        with self._lock:
            self.logging_in += 1
            self.most_logging_in = max(self.most_logging_in, self.logging_in)
            number = next(self._numbers)
        try:
            yield number
        finally:
            with self._lock:
                self.logging_in -= 1

    def record_login(self, seen: dict[str, Any]) -> None:
        """Remember what a login sent and how it ended."""
        with self._lock:
            self.logins.append(seen)

    def open(self, session: Session) -> None:
        """Add a session."""
        with self._lock:
            self._by_token[session.token] = session
            self.most_open = max(self.most_open, len(self._by_token))

    def find(self, token: str) -> Session | None:
        """Return the session of a token."""
        with self._lock:
            return self._by_token.get(token)

    def by_master(self, master_token: str) -> Session | None:
        """Return the session of a master token."""
        with self._lock:
            return next((found for found in self._by_token.values() if found.master_token == master_token), None)

    def renew(self, session: Session) -> None:
        """Give a session a new token; the old one is no longer known."""
        with self._lock:
            self._by_token.pop(session.token, None)
            session.token, session.token_expired = secrets.token_urlsafe(24), False
            self._by_token[session.token] = session

    def close(self, session: Session) -> None:
        """Remove a session."""
        with self._lock:
            self._by_token.pop(session.token, None)

    def all(self) -> list[Session]:
        """Return the open sessions."""
        with self._lock:
            return list(self._by_token.values())

    def forget(self) -> None:
        """Start the counts and the record of logins anew; open sessions stay."""
        with self._lock:
            self.logins.clear()
            self.most_logging_in = self.logging_in
            self.most_open = len(self._by_token)

    def running(self, query_id: str) -> tuple[Session, Running] | None:
        """Return the statement of a query id, if it is being run."""
        for session in self.all():
            for found in list(session.running.values()):
                if found.query_id == query_id:
                    return session, found
        return None
