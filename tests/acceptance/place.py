"""A place of its own for each test: the command runs there as a user's does, and nothing may be left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.errors import StoreVersionError
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import RunRow

COMMAND = Path(sys.executable).with_name("upperbound")
CLOCK = SystemClock()
DEADLINE_S = 60.0
"""For what is bound to happen: longer than it takes on a slow machine that does other work as well.

It proves nothing about speed. Where a test claims that something is fast, it compares times that the run itself has
written down.
"""
GONE_S = 30.0
"""For what has been told to go: less than the minute after which a worker ends by itself for want of a store."""
MEASURED = frozenset({0, 7})
"""Exit codes of a run that was measured: 7 says that this machine was too busy for true figures."""
_POLL_S = 0.02


def until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> bool:
    """Wait for a condition to hold; return False when it does not within ``deadline_s``."""
    deadline_ns = CLOCK.monotonic_ns() + int(deadline_s * 1e9)
    while not condition():
        if CLOCK.monotonic_ns() > deadline_ns:
            return False
        CLOCK.sleep(_POLL_S)
    return True


@dataclass(frozen=True)
class Outcome:
    """How a command has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it printed, on one line."""
        return " ".join(f"{self.out} {self.err}".split())


class Running:
    """A command that is running in a process group of its own, as one started from a shell does."""

    def __init__(self, place: "Place", command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        number = len(place.started)
        self._out, self._err = (place.root / f"command-{number}.{name}" for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=place.work,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
            )

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal sends SIGINT to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM to the command alone, as a service manager or a container does."""
        self.process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the command alone, as a crash or the kernel for want of memory does."""
        self.process.kill()

    def wait(self, deadline_s: float = DEADLINE_S) -> Outcome:
        """Wait for the end and return it; a command that is still there after ``deadline_s`` fails the test."""
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline_s} s\n{self.so_far()}") from None
        return Outcome(self.process.returncode, self._read(self._out), self._read(self._err))

    def so_far(self) -> str:
        """Return what it has printed."""
        return f"{self._read(self._out)}\n{self._read(self._err)}"

    @staticmethod
    def _read(path: Path) -> str:
        return path.read_text(encoding="utf-8", errors="replace")


class Place:
    """Folders of one test: ``home`` for Upperbound's data, ``work`` to stand in, ``tmp`` for temporary files.

    They can be entered by everyone, because an embedded server of root runs as another user.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ub-acceptance-", dir="/tmp"))
        self.root.chmod(0o755)
        self.home, self.work, self.tmp = (self.root / name for name in ("home", "work", "tmp"))
        for folder in (self.work, self.tmp):
            folder.mkdir(mode=0o755)
        self.tmp.chmod(0o1777)
        self.started: list[Running] = []
        """Every command that was started here."""
        self.store_url = f"sqlite:///{self.home / 'upperbound.db'}"
        """The store of a command that names none; a test that names another one sets it here."""

    # Running commands

    def environment(self, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return a user's plain environment with ``changes``; None removes a variable.

        Nothing of this process's own settings is in it: no PG*, no UPPERBOUND_*.
        """
        plain: dict[str, str | None] = {
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.tmp),
            "UPPERBOUND_HOME": str(self.home),
        }
        return {name: value for name, value in {**plain, **(changes or {})}.items() if value is not None}

    def start(self, *arguments: str, environment: Mapping[str, str | None] | None = None) -> Running:
        """Start ``upperbound`` with ``arguments``."""
        return self.start_program(COMMAND, *arguments, environment=environment)

    def start_program(
        self, program: Path, *arguments: str, environment: Mapping[str, str | None] | None = None
    ) -> Running:
        """Start another program with ``arguments``."""
        command = Running(self, (str(program), *arguments), self.environment(environment))
        self.started.append(command)
        return command

    def run(
        self, *arguments: str, environment: Mapping[str, str | None] | None = None, deadline_s: float = DEADLINE_S
    ) -> Outcome:
        """Run ``upperbound`` with ``arguments`` to its end."""
        return self.start(*arguments, environment=environment).wait(deadline_s)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the working folder."""
        path = self.work / name
        path.write_text(text, encoding="utf-8")
        return path

    def summary(self, name: str) -> dict[str, Any]:
        """Return what ``--json NAME`` wrote."""
        summary: dict[str, Any] = json.loads((self.work / name).read_text(encoding="utf-8"))
        return summary

    # Looking at what is there

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store that the commands write to."""
        with open_store(self.store_url, migrate=False) as store:
            yield store

    def runs(self) -> list[RunRow]:
        """Return every run in the store, newest first; none when there is no store."""
        try:
            with self.store() as store:
                return store.runs.list(limit=100, offset=0)
        except StoreVersionError:
            # There is none, or none with tables yet.
            return []

    def measuring_run(self, command: Running, deadline_s: float = DEADLINE_S) -> RunRow:
        """Wait until the only run is being measured, and return it."""
        found: list[RunRow] = []

        def measuring() -> bool:
            assert command.process.poll() is None, command.so_far()
            found[:] = self.runs()
            return bool(found) and found[0].phase is Phase.MEASUREMENT and found[0].total_ops > 0

        assert until(measuring, deadline_s), command.so_far()
        return found[0]

    def run_folders(self) -> list[Path]:
        """Return the folders of runs."""
        return sorted((self.home / "runs").glob("*"))

    def processes(self) -> dict[int, str]:
        """Return the command lines, by process id, of everything that was started for this place.

        A worker, a command or a watcher has the home in its environment; a database server, whose environment is
        emptied, has its folder in its arguments or works in it.
        """
        mark, home = str(self.root), f"UPPERBOUND_HOME={self.home}".encode()
        found = {}
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                line = " ".join(process.cmdline())
                if home in environment or mark in line or process.cwd().startswith(mark):
                    found[process.pid] = line
            except (psutil.Error, OSError):
                continue
        return found

    def workers(self) -> dict[str, int]:
        """Return the process ids of the workers by worker id."""
        found = {}
        for pid, line in self.processes().items():
            words = line.split()
            if "--worker-id" in words:
                found[words[words.index("--worker-id") + 1]] = pid
        return found

    def nothing_is_left(self, deadline_s: float = GONE_S) -> bool:
        """Say whether every process and temporary file is gone, waiting a moment for those that are about to."""
        return until(lambda: not self.processes() and not any(self.tmp.iterdir()), deadline_s)

    def leftovers(self) -> str:
        """Describe what is left, for the message of a failed test."""
        return f"processes {self.processes()}, temporary files {[path.name for path in self.tmp.iterdir()]}"

    def files_that_hold(self, secret: str) -> list[Path]:
        """Return the files, what commands printed included, in which ``secret`` can be read."""
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return [path for path in files if secret.encode() in path.read_bytes()]

    def end_processes(self) -> None:
        """End what is left of the place's processes."""
        for pid in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        for command in self.started:
            command.process.wait(DEADLINE_S)
        until(lambda: not self.processes())

    def remove(self) -> None:
        """End what is left of the place's processes and remove its files."""
        self.end_processes()
        shutil.rmtree(self.root, ignore_errors=True)
