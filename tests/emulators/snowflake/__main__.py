"""Starts the emulator: ``python -m tests.emulators.snowflake [--port N]``, from the root of a checkout."""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from pathlib import Path

import uvicorn
from tests.emulators.snowflake.account import DEFAULT_WAREHOUSE, Account
from tests.emulators.snowflake.app import make_app
from tests.emulators.snowflake.users import DEFAULT_PASSWORD, DEFAULT_USER

_HOST = "127.0.0.1"
_HOW = """\
A Snowflake emulator for tests listens on {host}:{port}. Put this into ~/.snowflake/connections.toml:

[emulator]
account = "emulator"
host = "{host}"
port = {port}
protocol = "http"
user = "{user}"
password = "{password}"
warehouse = "{warehouse}"

and connect with snowflake.connector.connect(connection_name="emulator"). What it holds is gone when it ends (Ctrl-C).
"""


def main() -> None:
    """Serve until a signal, or until the process that started this one is gone."""
    parser = argparse.ArgumentParser(prog="scripts/snowflake-emulator", description="A Snowflake emulator for tests.")
    parser.add_argument("--port", type=int, default=8080, help="port on the loopback interface; 0 for any free one")
    parser.add_argument("--ready", type=Path, help="file that the port is written to once connections are accepted")
    given = parser.parse_args()
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, given.port))
    except OSError as error:
        parser.error(f"port {given.port} cannot be used: {error.strerror}. Choose another with --port.")
    listening.listen(1024)
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        make_app(Account()), log_level="warning", access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=60
    )
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    # What the parser does not know is none of its user's concern: the emulator has readers of its own for it.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
    told = _HOW.format(host=_HOST, port=port, user=DEFAULT_USER, password=DEFAULT_PASSWORD, warehouse=DEFAULT_WAREHOUSE)
    sys.stdout.write(told)
    sys.stdout.flush()
    if given.ready:
        # The socket accepts connections already; written under another name first, so that nobody reads a part of it.
        partial = given.ready.with_suffix(".partial")
        partial.write_text(str(port))
        partial.rename(given.ready)
    uvicorn.Server(config).run(sockets=[listening])


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
