"""The doctor at a server that encrypts, is some versions older, and keeps no statistics."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.clock import SystemClock
from upperbound.domain.diagnosis import CheckStatus
from upperbound.orchestrator.diagnosis.target import check_target
from upperbound.targets.embedded import server as embedded
from upperbound.targets.embedded.binaries import Binaries, ServerUser, server_user
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.pg_doctor import read_capabilities
from upperbound.targets.postgres import ConnInfo, open_connection

pytestmark = pytest.mark.system_postgres

SETTINGS = {
    "ssl": "on",
    "shared_preload_libraries": "",
    "track_io_timing": "off",
    "autovacuum": "off",
    "compute_query_id": "off",
}


def find_debian(_user: ServerUser) -> Binaries:
    versions = [path for path in Path("/usr/lib/postgresql").glob("*") if (path / "bin" / "postgres").exists()]
    return Binaries(max(versions, key=lambda path: int(path.name)) / "bin", "system")


@pytest.fixture
def certificate() -> Iterator[Path]:
    """A folder with a certificate and its key that the server's user alone can read."""
    if shutil.which("openssl") is None:
        pytest.skip("tool missing: openssl is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ub-tls-", dir="/tmp"))
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db", *files]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    user = server_user()
    for path in (folder, folder / "key", folder / "crt"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if user.switch:
            os.chown(path, user.uid, user.gid)
    yield folder
    shutil.rmtree(folder)


def test_encryption_and_what_the_server_does_not_keep_are_told(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_binaries", find_debian)
    files = {"ssl_cert_file": str(certificate / "crt"), "ssl_key_file": str(certificate / "key")}
    with EmbeddedServer(max_connections=20, settings=SETTINGS | files) as server:
        info = ConnInfo(server.url_with_password() + "?sslmode=require")
        with open_connection(info) as connection:
            found = read_capabilities(connection)
        checks = {check.name: check for check in check_target(info, SystemClock(), None, None).checks}
    assert found.supported
    assert found.transport.tls
    assert found.transport.tls_version == "TLSv1.3"
    assert found.statements.available
    assert not found.statements.loaded
    assert found.statements.track_planning is None
    assert not found.autovacuum
    assert checks["encryption"].found.startswith("TLSv1.3")
    warned = {name for name, check in checks.items() if check.status is CheckStatus.WARNING}
    assert warned == {"shared host", "pg_stat_statements", "track_io_timing", "autovacuum"}
    assert "shared_preload_libraries" in checks["pg_stat_statements"].advice
    assert checks["track_planning"].status is CheckStatus.SKIPPED
