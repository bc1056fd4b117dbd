"""Other load generators on the query mix of the benchmarks: sysbench, asyncpg on uvloop, and Locust.

Not a benchmark itself. sysbench is Debian's package; the Python ones live in an environment that is made for them on
first use. A peer that is not to be had on this machine is reported as missing, with the reason.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from _rig import ACCOUNTS, Bench, Speed, found

REQUIREMENTS = Path(__file__).with_name("peers.txt")
PROGRAMS = Path(__file__).with_name("peers")

LUA = """
function thread_init()
  connection = sysbench.sql.driver():connect()
  point = connection:prepare("SELECT abalance FROM pgbench_accounts WHERE aid = ?")
  span = connection:prepare("SELECT abalance FROM pgbench_accounts WHERE aid BETWEEN ? AND ? + 9")
  aid = point:bind_create(sysbench.sql.type.INT)
  point:bind_param(aid)
  low, high = span:bind_create(sysbench.sql.type.INT), span:bind_create(sysbench.sql.type.INT)
  span:bind_param(low, high)
end

function event()
  local value = sysbench.rand.uniform(1, {accounts})
  if sysbench.rand.uniform(1, 100) <= 90 then
    aid:set(value)
    point:execute():free()
  else
    low:set(value)
    high:set(value)
    span:execute():free()
  end
end
"""


@dataclass(frozen=True)
class Missing:
    """A peer that cannot be run here."""

    why: str


Run = Callable[[int, int], Speed]
"""Runs a peer with so many connections for so many seconds."""


def peers(made: Bench) -> dict[str, Run | Missing]:
    """Return the peers by name, each as what runs it or as what is missing."""
    python = _environment()
    found_peers: dict[str, Run | Missing] = {}
    found_peers["sysbench, a thread per connection"] = (
        (lambda connections, seconds: _sysbench(made, connections, seconds))
        if shutil.which("sysbench")
        else Missing("not installed; it is in Debian's package sysbench")
    )
    for name, program in (("asyncpg + uvloop", "asyncpg_loop.py"), ("Locust + psycopg", "locust_users.py")):
        found_peers[name] = python if isinstance(python, Missing) else _program(made, python, PROGRAMS / program)
    return found_peers


def _sysbench(made: Bench, connections: int, seconds: int) -> Speed:
    """Run the mix with prepared statements in as many threads as there are connections."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "mix.lua"
        script.write_text(LUA.replace("{accounts}", str(ACCOUNTS)))
        command = [
            "sysbench",
            "--db-driver=pgsql",
            f"--pgsql-host={made.environment['PGHOST']}",
            f"--pgsql-port={made.environment['PGPORT']}",
            f"--pgsql-user={made.environment['PGUSER']}",
            f"--pgsql-db={made.environment['PGDATABASE']}",
            f"--threads={connections}",
            f"--time={seconds}",
            "--rand-type=uniform",
            str(script),
            "run",
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = made.run(command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = int(found(r"total number of events:\s+(\d+)", said))
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Speed(count / seconds, cpu_s / count * 1e6)


def _program(made: Bench, python: str, program: Path) -> Run:
    """Return what runs one of the Python programs, which print their count, time and processor time as JSON."""

    def run(connections: int, seconds: int) -> Speed:
        said = json.loads(
            made.run([python, str(program), str(connections), str(seconds), str(ACCOUNTS)]).splitlines()[-1]
        )
        return Speed(said["count"] / said["seconds"], said["cpu_s"] / said["count"] * 1e6)

    return run


def _environment() -> str | Missing:
    """Return the interpreter of the peers' environment, made on first use below the temporary directory."""
    folder = Path(tempfile.gettempdir()) / f"upperbound-peers-{os.getuid()}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists() and ready.read_text() == REQUIREMENTS.read_text():
        return str(python)
    print(f"making an environment for {REQUIREMENTS.name} in {folder}", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return Missing(f"{' '.join(command[1:4])} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    ready.write_text(REQUIREMENTS.read_text())
    return str(python)
