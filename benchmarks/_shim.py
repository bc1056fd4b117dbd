"""A server of known capacity: it speaks PostgreSQL's protocol, and serves with k slots that take a known time each.

Not a benchmark itself: a search for the highest load is right when it finds k. Run as a program it listens on the
loopback interface alone, prints its port and ends when its standard input does, that is, with its parent. Statements of
a workload, told by their leading comment, wait for a slot in the order they come; everything else that the product asks
a server for is answered at once.

The message formats are those of "Message Formats" in PostgreSQL's documentation.
"""

import argparse
import contextlib
import heapq
import math
import random
import resource
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from upperbound.clock import SystemClock

CLOCK: Final = SystemClock()
BOOL, INT8, INT4, TEXT, TIMESTAMP = 16, 20, 23, 25, 1114
WOBBLE_S: Final = 0.5
ABSORBED_S: Final = 2.0
WORKLOAD: Final = "UB_KIND="
"""In the leading comment of a workload's statement."""
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
PARAMETERS: Final = {
    "server_version": "15.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
}


@dataclass(frozen=True)
class Speed:
    """How a server serves."""

    slots: int
    service_ms: float
    wobble_pct: float = 0.0
    """Standard deviation of its speed as a whole, which is drawn anew every :data:`WOBBLE_S`."""
    spread_pct: float = 0.0
    """How far the time of one statement may be from the mean, evenly; statements that all take the same come in bursts.
    """
    seed: int = 0
    lag_counts: bool = False
    """See :class:`Slots`."""


@contextlib.contextmanager
def shim(speed: Speed) -> Iterator[str]:
    """Run a server for the length of the body, which gets its URL."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in vars(speed).items() if name != "lag_counts"]
    arguments += ["--lag-counts"] * speed.lag_counts
    with subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"postgresql://shim@127.0.0.1:{port}/shim?sslmode=disable"
        finally:
            process.communicate()


@dataclass(frozen=True)
class Answer:
    """What a statement gives."""

    tag: str
    columns: tuple[tuple[str, int], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    served: bool = False
    """Whether it takes a slot."""


def answer(statement: str) -> Answer:
    """Return what the product wants to hear."""
    words = statement.split(None, 1)
    verb = words[0].upper() if words else ""
    if verb == "EXPLAIN":
        return Answer("EXPLAIN", (("QUERY PLAN", TEXT),), (("Result",),))
    if verb != "PREPARE" and WORKLOAD in statement:
        return Answer("SELECT 1", (("served", INT4),), (("1",),), served=True)
    if "clock_timestamp()" in statement:
        now = CLOCK.utc_now().replace(tzinfo=None).isoformat(" ")
        return Answer("SELECT 1", (("now", TIMESTAMP),), ((now,),))
    if "pg_settings" in statement:
        return Answer("SELECT 1", (("statement_timeout", INT8), ("lock_timeout", INT8)), (("0", "0"),))
    if "pg_terminate_backend" in statement:
        return Answer("SELECT 1", (("count", INT8),), (("0",),))
    if "pg_roles" in statement:
        facts = ("15.0 (shim)", "shim", "100000", "0", "0", "-1", "0", "-1", "0", "f", "t", "t")
        oids = (TEXT, TEXT, INT4, INT4, INT8, INT4, INT8, INT4, INT8, BOOL, BOOL, BOOL)
        return Answer("SELECT 1", tuple((f"c{n}", oid) for n, oid in enumerate(oids)), (facts,))
    return Answer(verb)


def _now_s() -> float:
    return CLOCK.monotonic_ns() / 1e9


def message(kind: bytes, body: bytes = b"") -> bytes:
    """Return one message of the server."""
    return kind + struct.pack("!i", len(body) + 4) + body


def row_description(found: Answer) -> bytes:
    """Return the names and types of the columns, or that there are none."""
    if not found.columns:
        return message(b"n")
    fields = b"".join(
        name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0) for name, oid in found.columns
    )
    return message(b"T", struct.pack("!h", len(found.columns)) + fields)


def data(found: Answer, *, binary: bool) -> bytes:
    """Return the rows and that the statement is done."""
    sent = b""
    for row in found.rows:
        values = [struct.pack("!i", int(value)) if binary and found.served else value.encode() for value in row]
        fields = b"".join(struct.pack("!i", len(value)) + value for value in values)
        sent += message(b"D", struct.pack("!h", len(values)) + fields)
    return sent + message(b"C", found.tag.encode() + b"\0")


@dataclass
class Session:
    """One connection."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    sent: bytearray = field(default_factory=bytearray)
    started: bool = False
    transaction: bytes = b"I"
    prepared: dict[bytes, str] = field(default_factory=dict)
    portal: tuple[str, bool] = ("", False)
    """The statement that is bound, and whether its result is wanted in binary."""
    waiting: bytes | None = None
    """What is to be sent when its statement has been served; None when there is none."""
    answered: float = -math.inf
    """When its last statement was, or is to be, done."""


class Slots:
    """k places that serve one statement each, in the order they come.

    A client that sends its next statement within :data:`ABSORBED_S` of an answer is taken to have sent it at once: what
    a busy machine adds between the two is made up for, so that n clients get min(n, k) over the service time exactly,
    and k is the knee. With ``lag_counts`` a statement is served from when it arrives, and the clients' own time shows.
    """

    def __init__(self, speed: Speed) -> None:
        self._speed, self._random = speed, random.Random(speed.seed)
        self._service_s = speed.service_ms / 1000
        self._free_at = [0.0] * speed.slots
        self._factor, self._factor_until = 1.0, 0.0
        self._serving: list[tuple[float, int, Session]] = []
        self._count = 0

    def take(self, session: Session, now: float) -> None:
        """Serve a statement in the place that is free first."""
        soon = now - session.answered < ABSORBED_S
        arrived = session.answered if soon and not self._speed.lag_counts else now
        begin = max(arrived, heapq.heappop(self._free_at))
        session.answered = begin + self._service(begin)
        heapq.heappush(self._free_at, session.answered)
        self._count += 1
        heapq.heappush(self._serving, (session.answered, self._count, session))

    def due_in(self, now: float) -> float | None:
        """Return the seconds until the next statement is done; None when none is served."""
        return max(0.0, self._serving[0][0] - now) if self._serving else None

    def done(self, now: float) -> Iterator[Session]:
        """Yield those whose statement is done."""
        while self._serving and self._serving[0][0] <= now:
            yield heapq.heappop(self._serving)[2]

    def _service(self, begin: float) -> float:
        if begin >= self._factor_until:
            self._factor = max(0.2, 1 + self._random.gauss(0, self._speed.wobble_pct / 100))
            self._factor_until = begin + WOBBLE_S
        spread = self._speed.spread_pct / 100
        return self._service_s * self._factor * self._random.uniform(1 - spread, 1 + spread)


class Server:
    """The loop over all connections."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._epoll.register(0, select.EPOLLIN)
        self._sessions: dict[int, Session] = {}

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Serve until standard input ends."""
        while True:
            # select() has microseconds where epoll's timeout has milliseconds.
            select.select([self._epoll.fileno()], [], [], self._slots.due_in(_now_s()))
            for session in self._slots.done(_now_s()):
                session.sent += session.waiting or b""
                session.waiting = None
                self._advance(session)
            for number, _ in self._epoll.poll(0):
                if number == 0:
                    return
                if number == self._listener.fileno():
                    self._accept()
                elif number in self._sessions:
                    self._receive(self._sessions[number])

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sessions[connection.fileno()] = Session(connection)
                self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _receive(self, session: Session) -> None:
        try:
            arrived = session.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            arrived = b""
        session.received += arrived
        if not arrived or not self._advance(session):
            self._close(session)

    def _close(self, session: Session) -> None:
        self._epoll.unregister(session.socket.fileno())
        del self._sessions[session.socket.fileno()]
        session.socket.close()

    def _advance(self, session: Session) -> bool:
        """Handle what has arrived up to a statement that has to be served; False when the client is gone."""
        while session.waiting is None and (taken := _next(session)) is not None:
            kind, body = taken
            if kind == b"X":
                return False
            self._handle(session, kind, body)
        if session.sent:
            # Answers are small, and a client reads each before it sends more: they always fit the socket's buffer.
            with contextlib.suppress(OSError):
                session.socket.send(session.sent)
            session.sent.clear()
        return True

    def _handle(self, session: Session, kind: bytes, body: bytes) -> None:
        match kind:
            case b"startup":
                session.sent += _greeting(session, body)
            case b"Q":
                self._execute(session, answer(body[:-1].decode()), query=True, binary=False)
            case b"P":
                name, rest = body.split(b"\0", 1)
                session.prepared[name] = rest.split(b"\0", 1)[0].decode()
                session.sent += message(b"1")
            case b"B":
                session.portal = _bound(session, body)
                session.sent += message(b"2")
            case b"D":
                session.sent += _described(session, body)
            case b"E":
                statement, binary = session.portal
                self._execute(session, answer(statement), query=False, binary=binary)
            case b"C":
                session.sent += message(b"3")
            case b"S":
                session.sent += message(b"Z", session.transaction)

    def _execute(self, session: Session, found: Answer, *, query: bool, binary: bool) -> None:
        session.transaction = {"BEGIN": b"T", "ROLLBACK": b"I", "COMMIT": b"I"}.get(found.tag, session.transaction)
        head = row_description(found) if query and found.columns else b""
        tail = message(b"Z", session.transaction) if query else b""
        said = head + data(found, binary=binary) + tail
        if not found.served:
            session.sent += said
            return
        session.waiting = said
        self._slots.take(session, _now_s())


def _next(session: Session) -> tuple[bytes, bytes] | None:
    """Take the next whole message from what has arrived."""
    received = session.received
    head = 1 if session.started else 0
    if len(received) < head + 4:
        return None
    length = struct.unpack_from("!i", received, head)[0]
    if len(received) < head + length:
        return None
    kind = bytes(received[:1]) if session.started else b"startup"
    body = bytes(received[head + 4 : head + length])
    del received[: head + length]
    return kind, body


def _greeting(session: Session, body: bytes) -> bytes:
    (code,) = struct.unpack_from("!i", body)
    if code in (SSL_REQUEST, GSS_REQUEST):
        return b"N"
    if code == CANCEL_REQUEST:
        return b""
    session.started = True
    told = b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in PARAMETERS.items())
    key = message(b"K", struct.pack("!ii", session.socket.fileno(), 0))
    return message(b"R", struct.pack("!i", 0)) + told + key + message(b"Z", b"I")


def _bound(session: Session, body: bytes) -> tuple[str, bool]:
    """Return the statement of a Bind message and whether it wants binary results; parameters are skipped."""
    _portal, name, rest = body.split(b"\0", 2)
    (formats,) = struct.unpack_from("!h", rest)
    offset = 2 + 2 * formats
    (parameters,) = struct.unpack_from("!h", rest, offset)
    offset += 2
    for _ in range(parameters):
        (length,) = struct.unpack_from("!i", rest, offset)
        offset += 4 + max(0, length)
    wanted = struct.unpack_from("!h", rest, offset)[0]
    binary = wanted > 0 and struct.unpack_from("!h", rest, offset + 2)[0] == 1
    return session.prepared.get(name, ""), binary


def _described(session: Session, body: bytes) -> bytes:
    if body[:1] == b"P":
        return row_description(answer(session.portal[0]))
    return message(b"t", struct.pack("!h", 0)) + row_description(answer(session.prepared.get(body[1:-1], "")))


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--service-ms", type=float, required=True)
    parser.add_argument("--wobble-pct", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spread-pct", type=float, default=0.0)
    parser.add_argument("--lag-counts", action="store_true")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = Server(Slots(Speed(**vars(given))))
    print(server.port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
