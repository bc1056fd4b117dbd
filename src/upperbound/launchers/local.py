"""Worker processes on this machine."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from upperbound.errors import WorkerFailed
from upperbound.launchers.base import WorkerHandle, WorkerSpec

LAST_LINES = 5
"""Lines of a worker's output that a message quotes."""


class LocalWorker:
    """A worker that is a child of this process."""

    def __init__(self, worker_id: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self._worker_id = worker_id
        self._process = process
        self._log_file = log_file

    @property
    def worker_id(self) -> str:
        """Which worker of the run this is."""
        return self._worker_id

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code once the process has ended, negative for a signal, and None before."""
        return self._process.poll()

    def terminate(self) -> None:
        """Send SIGTERM: drain and end."""
        self._signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Send SIGINT: cancel what is in flight, drain and end."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)

    def last_output(self) -> str:
        """Return the last lines of the worker's log."""
        try:
            lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LAST_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class LocalLauncher:
    """Starts workers as subprocesses in sessions of their own, so that a terminal's Ctrl-C reaches only the command."""

    def launch(self, spec: WorkerSpec, *, environment: Mapping[str, str], log_file: Path) -> WorkerHandle:
        """Start one worker; see :class:`upperbound.launchers.base.Launcher`."""
        command = [sys.executable, "-m", "upperbound.worker", *spec.arguments()]
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            with log_file.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise WorkerFailed(
                f"{spec.worker_id} cannot be started: {error}", hint="check memory, process limits and free disk space"
            ) from error
        return LocalWorker(spec.worker_id, process, log_file)
