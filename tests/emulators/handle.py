"""Starts the Snowflake emulator for tests, and what tests tell it and ask it.

Every call goes over HTTP to the emulator, which is a process of its own in an environment of its own.
"""

import contextlib
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import snowflake.connector

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "snowflake-emulator"
HOST = "127.0.0.1"
USER = "TESTER"
PASSWORD = "not-a-secret"
WAREHOUSE = "COMPUTE_WH"
_START_S = 280.0
"""The first start makes the environment, which takes a minute and on a busy machine longer."""


@dataclass(frozen=True)
class SnowflakeEmulator:
    """A running emulator."""

    port: int

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["SnowflakeEmulator"]:
        """Run an emulator on a free port until the block is left. Raises AssertionError with what it said."""
        with tempfile.TemporaryDirectory(prefix="ub-emulator-") as folder:
            ready, said = Path(folder) / "ready", Path(folder) / "said"
            with said.open("w") as output:
                process = subprocess.Popen(
                    [SCRIPT, "--port", "0", "--ready", ready], stdout=output, stderr=subprocess.STDOUT
                )
            try:
                deadline_s = time.monotonic() + _START_S
                while not ready.exists():
                    over = process.poll() is not None or time.monotonic() > deadline_s
                    assert not over, f"the Snowflake emulator did not start:\n{said.read_text()}"
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(0.05)
                yield cls(int(ready.read_text()))
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def control(self, command: str, **given: Any) -> Any:
        """Send a command of the control endpoint and return its answer. Raises AssertionError if it is refused."""
        answer = httpx.post(f"http://{HOST}:{self.port}/emulator/{command}", json=given, timeout=60)
        assert answer.status_code == 200, f"{command} {given}: {answer.text}"
        return answer.json()

    @contextmanager
    def fresh_database(self) -> Iterator["SnowflakeDatabase"]:
        """Make the account as new and give it an empty database, which is dropped when the block is left."""
        self.control("reset")
        name = f"TEST_{secrets.token_hex(4).upper()}"
        self.control("create-database", name=name)
        yield SnowflakeDatabase(self, name)
        self.control("clear-faults")
        self.control("drop-database", name=name)


@dataclass(frozen=True)
class SnowflakeDatabase:
    """A database in the emulated account, and the account as one test uses it."""

    emulator: SnowflakeEmulator
    name: str

    def connect_parameters(self, **others: Any) -> dict[str, Any]:
        """Return what ``snowflake.connector.connect`` takes; ``others`` are added, and None removes one."""
        parameters: dict[str, Any] = {
            "account": "emulator",
            "host": HOST,
            "port": self.emulator.port,
            "protocol": "http",
            "user": USER,
            "password": PASSWORD,
            "warehouse": WAREHOUSE,
            "database": self.name,
            "schema": "PUBLIC",
        }
        return {name: value for name, value in (parameters | others).items() if value is not None}

    def connections_toml(self, connection_name: str = "emulator", **others: Any) -> str:
        """Return the same as a section of ``connections.toml``."""
        lines = [
            f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'
            for key, value in self.connect_parameters(**others).items()
        ]
        return "\n".join([f"[{connection_name}]", *lines, ""])

    @contextmanager
    def connect(self, **others: Any) -> Iterator[snowflake.connector.SnowflakeConnection]:
        """Connect with the real connector; values are bound with question marks unless ``others`` say otherwise."""
        defaults = {"paramstyle": "qmark", "enable_server_session_keep_alive_auto_detection": False}
        connection = snowflake.connector.connect(**self.connect_parameters(**(defaults | others)))
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own and return its rows."""
        with self.connect() as connection:
            return [tuple(row) for row in connection.cursor().execute(sql, values or None).fetchall()]

    def fault(self, action: str, **given: Any) -> int:
        """Put a fault in force and return its number; see ``snowflake/faults.py`` for actions and fields."""
        return int(self.emulator.control("fault", action=action, **given))

    def clear_faults(self) -> None:
        """End all faults."""
        self.emulator.control("clear-faults")

    def strikes(self, fault: int) -> int:
        """Return how often a fault struck."""
        return int(self.emulator.control("fault-counts")[fault]["strikes"])

    def set_warehouse(self, name: str = WAREHOUSE, **fields: Any) -> None:
        """Set fields of a warehouse, or make one; see ``SETTABLE`` in ``snowflake/warehouses.py``."""
        self.emulator.control("warehouse", name=name, **fields)

    def set_user(self, name: str, **means: Any) -> None:
        """Add a user and what it may log in with; see ``User`` in ``snowflake/users.py``."""
        self.emulator.control("user", name=name, **means)

    def settings(self, **given: Any) -> None:
        """Set what the history tells, and more; see ``_settings`` in ``snowflake/control.py``."""
        self.emulator.control("settings", **given)

    def expire_tokens(self, *, master: bool = False) -> int:
        """Let the tokens of all open sessions expire; with ``master``, so that they cannot be renewed either."""
        return int(self.emulator.control("expire", master=master))

    def statements(self, containing: str = "") -> list[dict[str, Any]]:
        """Return the statements that sessions in this database ran, in the order in which they ended."""
        seen: list[dict[str, Any]] = self.emulator.control("statements", database=self.name)
        return [statement for statement in seen if containing.upper() in statement["query_text"].upper()]

    def add_history(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add statements to the history that nobody ran; see ``made_up`` in ``snowflake/history.py``."""
        self.emulator.control("add-history", records=[dict(record) for record in records])

    def logins(self) -> list[dict[str, Any]]:
        """Return what each login sent, secrets left out, and the code with which it was refused, if it was."""
        seen: list[dict[str, Any]] = self.emulator.control("logins")
        return seen

    def counts(self) -> dict[str, int]:
        """Return ``open``, ``running``, ``most_open`` and ``most_logging_in``."""
        seen: dict[str, int] = self.emulator.control("counts")
        return seen

    def stage_files(self) -> list[dict[str, Any]]:
        """Return the files in the stages of this database: ``stage``, ``path``, ``size_bytes``."""
        seen: list[dict[str, Any]] = self.emulator.control("stage-files")
        return [file for file in seen if file["stage"].startswith(f"{self.name}.")]
