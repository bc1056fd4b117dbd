"""A server that answers Snowflake's connector from memory; not a benchmark itself.

Run as a program it listens on the loopback interface, in front of an emulator. Statements of a load, and those that
mark a session for a phase, are passed on the first time; the answer is kept and given to everyone who sends the same
text, whatever the values of its parameters. Everything else is passed on every time. It is one thread on uvloop that
looks for a text in a request and writes bytes, so that it takes a small part of what its client does.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import psutil
import uvloop
from tests.emulators.handle import HOST

_QUERY: Final = b"POST /queries/v1/query-request"
_KEPT: Final = (b"/* UB_KIND=", b"ALTER SESSION SET QUERY_TAG")
"""How statements begin whose answers are kept."""
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


@dataclass(frozen=True)
class ReplayServer:
    """A running server."""

    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """Return the processor time that it has taken so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def replay_server(emulator_port: int) -> Iterator[ReplayServer]:
    """Run a server in a process of its own, in front of an emulator, until the block is left."""
    command = [sys.executable, __file__, str(emulator_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise SystemExit(f"the replay server did not start: {line}")
        try:
            yield ReplayServer(int(line), psutil.Process(process.pid))
        finally:
            process.terminate()


class _Relay:
    """Passes requests on to the emulator, and knows the answers to those that are kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: dict[bytes, bytes] = {}
        """By the text of the statement: the whole answer, as it was sent."""

    async def ask(self, request: bytes, kept: bytes | None) -> bytes:
        """Return the emulator's answer; keep it if it is to be kept and tells of no failure."""
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            writer.write(request)
            head = await reader.readuntil(_HEAD_END)
            body = await reader.readexactly(_length(head))
        finally:
            writer.close()
        if kept is not None and json.loads(body)["success"]:
            self.answers[kept] = head + body
        return head + body


class _Client(asyncio.Protocol):
    """One connection of a client, which waits for each answer before it sends the next request."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay
        self._received = b""
        self._asking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        # uvloop has transports of its own, which are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the request when all of it is there."""
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0 or len(self._received) < end + len(_HEAD_END) + _length(self._received[: end + 2]):
            return
        request, self._received = self._received, b""
        kept = _kept_text(request)
        answer = self._relay.answers.get(kept) if kept is not None else None
        if answer is not None:
            self._transport.write(answer)
        else:
            self._asking = asyncio.get_running_loop().create_task(self._ask(request, kept))

    async def _ask(self, request: bytes, kept: bytes | None) -> None:
        try:
            self._transport.write(await self._relay.ask(request, kept))
        except (OSError, asyncio.IncompleteReadError) as error:
            # The client sees a connection that breaks, which is what it is.
            sys.stderr.write(f"replay server: the emulator did not answer: {error}\n")
            self._transport.abort()


def _length(head: bytes) -> int:
    """Return the length of the body that follows; 0 where the head says none."""
    _, _, rest = head.lower().partition(_LENGTH)
    return int(rest.partition(b"\r\n")[0] or 0)


def _kept_text(request: bytes) -> bytes | None:
    """Return the text of a statement whose answer is kept; None for any other request."""
    if not request.startswith(_QUERY) or b'"describeOnly":true' in request:
        return None
    text = request.partition(b'"sqlText":"')[2].partition(b'","')[0]
    return text if text.startswith(_KEPT) else None


async def _serve(emulator_port: int) -> None:
    loop, relay = asyncio.get_running_loop(), _Relay(emulator_port)
    server = await loop.create_server(lambda: _Client(relay), HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The pipe ends when the process that started this one does, however it ends.
    ended = loop.run_in_executor(None, lambda: os.read(0, 1))
    await ended


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    uvloop.run(_serve(int(sys.argv[1])))
