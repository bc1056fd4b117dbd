"""The small process that owns an embedded server and stops it when the process that asked for it goes away.

It runs this file as a program with the standard library alone (``python -I -S watcher.py``), in a session of its own,
so that a terminal's Ctrl-C reaches neither it nor the server. It reads one JSON line, an :class:`Order`, from standard
input, starts the server, and answers on standard output with ``{"started": pid}`` or ``{"refused": reason}``. Then it
sleeps in the kernel until standard input closes, its parent ends or it gets SIGTERM; it stops the server and removes
its directories. Should the watcher itself be killed, the kernel tells the server to quit (Linux).

A server that is to be kept is started without that tie: the watcher answers and ends.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

STOP_STEPS: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 6.0))
"""Signals that stop a server, each with the seconds it is given (SIGQUIT may take PostgreSQL 5); SIGKILL follows."""

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Order:
    """What a watcher is told to do."""

    command: list[str]
    environment: dict[str, str]
    directory: str
    """Working directory of the server."""
    log: str
    """File that takes the server's output."""
    remove: list[str]
    """Directories to remove when the server has stopped."""
    parent: int
    """Process id of the one that gives the order."""
    uid: int | None
    """User and group to run the server as; None for the present ones."""
    gid: int | None
    keep: bool

    def to_json(self) -> str:
        """Return the order as one line."""
        return json.dumps(asdict(self))


def stop_server(pid: int, wait: Callable[[float], bool]) -> None:
    """Stop the server ``pid`` by :data:`STOP_STEPS`, then SIGKILL to it and its children.

    ``wait(seconds)`` returns True as soon as the server has ended, False when the time is over. Stopped processes
    (SIGSTOP) are continued first: they could not end otherwise.
    """
    for step, seconds in STOP_STEPS:
        for process in (pid, *children(pid)):
            _send(process, signal.SIGCONT)
        _send(pid, step)
        if wait(seconds):
            return
    # Children that outlive the server would keep its port and its memory.
    for process in (pid, *children(pid)):
        _send(process, signal.SIGKILL)
    wait(5.0)


def children(pid: int) -> list[int]:
    """Return the process ids of the direct children of ``pid``; empty where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _answer(**answer: object) -> None:
    # Where nobody reads any more, the end of standard input will say so too.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _end_with_parent() -> None:
    """Ask the kernel to send SIGQUIT to this process when its parent, the watcher, ends.

    Called in the child between fork and exec, after the change of user, which would undo it.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _start(order: Order) -> subprocess.Popen[bytes]:
    with Path(order.log).open("ab") as log:
        return subprocess.Popen(
            order.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=order.directory,
            env=order.environment,
            user=order.uid,
            group=order.gid,
            extra_groups=None if order.uid is None else [],
            start_new_session=order.keep,
            # The watcher has one thread, so code between fork and exec is safe here.
            preexec_fn=None if order.keep else _end_with_parent,  # noqa: PLW1509
        )


def _descriptor_of(pid: int) -> int | None:
    """Return a descriptor that becomes readable when ``pid`` ends; None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _watch(order: Order) -> None:
    """Return when the server is to be stopped: the parent has closed our standard input, or has ended."""
    poll = select.poll()
    standard_input = sys.stdin.fileno()
    poll.register(standard_input, select.POLLIN)
    # A child that the parent has forked may hold the other end of our standard input open after the parent's end.
    parent = _descriptor_of(order.parent)
    if parent is not None:
        poll.register(parent, select.POLLIN)
    while os.getppid() == order.parent:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if parent in ready or (standard_input in ready and not os.read(standard_input, 1024)):
            return


def _wait(server: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        server.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _terminated(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def main() -> None:
    """Read the order from standard input and serve it to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Unbuffered: whatever follows the order must stay visible to poll.
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return
        line += byte
    order = Order(**json.loads(line))
    server: subprocess.Popen[bytes] | None = None
    signal.signal(signal.SIGTERM, _terminated)
    try:
        try:
            server = _start(order)
        except OSError as error:
            _answer(refused=str(error))
        else:
            _answer(started=server.pid)
        if order.keep:
            return
        if server is not None:
            _watch(order)
    finally:
        if not order.keep:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if server is not None and server.poll() is None:
                running = server
                stop_server(running.pid, lambda seconds: _wait(running, seconds))
            for directory in order.remove:
                shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
    # The interpreter's own end would complain about a pipe that nobody reads.
    os._exit(0)
