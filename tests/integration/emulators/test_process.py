"""The emulator as a process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.emulators.handle import HOST, SCRIPT, SnowflakeEmulator

from upperbound.clock import SystemClock

DEADLINE_S = 120


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    deadline_ns = SystemClock().monotonic_ns() + DEADLINE_S * 1_000_000_000
    while not condition():
        assert SystemClock().monotonic_ns() < deadline_ns, f"waited {DEADLINE_S} s for {what}"


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def test_it_tells_how_to_connect_and_ends_on_a_signal(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen([SCRIPT, "--port", "0", "--ready", ready], stdout=subprocess.PIPE, text=True)
    wait_for("the emulator", ready.exists)
    port = int(ready.read_text())
    assert httpx.post(f"http://{HOST}:{port}/emulator/counts").json()["open"] == 0
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert f"port = {port}\n" in said
    assert 'protocol = "http"\n' in said
    assert not accepts(port)


def test_it_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    starter = f"""
import subprocess
subprocess.Popen([{str(SCRIPT)!r}, "--port", "0", "--ready", {str(ready)!r}]).wait()
"""
    process = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the emulator", ready.exists)
        port = int(ready.read_text())
        assert accepts(port)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    wait_for("the end of the emulator", lambda: not accepts(port))


def test_a_port_that_is_taken_is_told_with_a_way_out(snowflake_emulator: SnowflakeEmulator) -> None:
    taken = str(snowflake_emulator.port)
    done = subprocess.run([SCRIPT, "--port", taken], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 2
    assert f"port {taken} cannot be used" in done.stderr
    assert "Choose another with --port" in done.stderr


def test_a_command_that_there_is_not_is_told_with_those_that_there_are(snowflake_emulator: SnowflakeEmulator) -> None:
    url = f"http://{HOST}:{snowflake_emulator.port}/emulator"
    assert "stage-files" in httpx.post(f"{url}/nothing").json()["error"]
    refused = httpx.post(f"{url}/fault", json={"action": "explode"})
    assert refused.status_code == 400
    assert "there is no fault 'explode'" in refused.json()["error"]


def test_it_listens_on_the_loopback_interface_alone(snowflake_emulator: SnowflakeEmulator) -> None:
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    port = f"{snowflake_emulator.port:04X}"
    addresses = {line.split()[1] for line in listening if line.split()[3] == "0A" and line.split()[1].endswith(port)}
    assert addresses == {f"0100007F:{port}"}
