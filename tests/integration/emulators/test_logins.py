"""Logging in to the emulator in every way, with the real connector."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import DatabaseError
from tests.emulators.handle import HOST, SnowflakeDatabase

UNSIGNED_TOKEN = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "RS256"}, {"iss": "https://issuer.example", "sub": "workload", "exp": 4_000_000_000}, "none")
)
"""An identity token in form; the emulator compares it with the ones that it was told."""
WITHOUT_PASSWORD: dict[str, Any] = {"user": "service", "password": None}


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]


def who(database: SnowflakeDatabase, **given: Any) -> str:
    with database.connect(**given) as connection:
        row: Any = connection.cursor().execute("SELECT CURRENT_USER()").fetchone()
        return str(row[0])


def refused(database: SnowflakeDatabase, **given: Any) -> int:
    """Return the code with which a login is refused, which the emulator has recorded as well."""
    with pytest.raises(DatabaseError) as failed, database.connect(**given):
        pass
    assert database.logins()[-1]["refused"] == failed.value.errno
    return int(failed.value.errno or 0)


def key_file(path: Path, key: rsa.RSAPrivateKey, passphrase: str = "") -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return str(path)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_password_is_checked_and_never_recorded(snowflake: SnowflakeDatabase) -> None:
    assert who(snowflake) == "TESTER"
    assert refused(snowflake, password="wrong") == 390100
    assert refused(snowflake, user="nobody") == 390100
    seen = snowflake.logins()
    assert [(login["authenticator"], login["has_token"]) for login in seen] == [("SNOWFLAKE", False)] * 3
    assert "not-a-secret" not in str(seen)
    assert "wrong" not in str(seen)


@pytest.mark.parametrize("passphrase", ["", "of the key"])
def test_a_key_pair_is_verified_by_its_signature(
    snowflake: SnowflakeDatabase, tmp_path: Path, keys: list[rsa.RSAPrivateKey], passphrase: str
) -> None:
    snowflake.set_user("service", public_key_pem=public_pem(keys[0]))
    given = WITHOUT_PASSWORD | {"authenticator": "SNOWFLAKE_JWT"}
    if passphrase:
        given["private_key_password"] = passphrase
    assert who(snowflake, **given, private_key_file=key_file(tmp_path / "key.p8", keys[0], passphrase)) == "SERVICE"
    seen = snowflake.logins()[-1]
    assert (seen["authenticator"], seen["has_token"], seen["signature"]) == ("SNOWFLAKE_JWT", True, "verified")
    assert seen["claims"]["sub"] == "EMULATOR.SERVICE"
    assert seen["claims"]["iss"].startswith("EMULATOR.SERVICE.SHA256:")
    other = key_file(tmp_path / "other.p8", keys[1], passphrase)
    assert refused(snowflake, **given, private_key_file=other) == 390144


def test_a_programmatic_access_token_is_checked(snowflake: SnowflakeDatabase) -> None:
    snowflake.set_user("service", access_tokens=["the-token"])
    given = WITHOUT_PASSWORD | {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN"}
    assert who(snowflake, **given, token="the-token") == "SERVICE"
    assert who(snowflake, user="service", password="the-token") == "SERVICE"
    assert refused(snowflake, **given, token="another") == 394400
    assert "the-token" not in str(snowflake.logins())


def test_an_oauth_token_is_checked_and_read_from_a_file(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    snowflake.set_user("service", oauth_tokens=["fresh"], expired_oauth_tokens=["old"])
    given = WITHOUT_PASSWORD | {"authenticator": "OAUTH"}
    token_file = tmp_path / "token"
    token_file.write_text("fresh")
    token_file.chmod(0o600)
    assert who(snowflake, **given, token_file_path=str(token_file)) == "SERVICE"
    assert snowflake.logins()[-1]["authenticator"] == "OAUTH"
    assert refused(snowflake, **given, token="old") == 390318
    assert refused(snowflake, **given, token="forged") == 390303


def test_a_workload_identity_is_checked(snowflake: SnowflakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_WIF_ALLOWED_HOST_SUFFIXES", HOST)
    snowflake.set_user("service", identity_tokens=[UNSIGNED_TOKEN])
    given = WITHOUT_PASSWORD | {"authenticator": "WORKLOAD_IDENTITY", "workload_identity_provider": "OIDC"}
    assert who(snowflake, **given, token=UNSIGNED_TOKEN) == "SERVICE"
    assert snowflake.logins()[-1]["authenticator"] == "WORKLOAD_IDENTITY"
    snowflake.set_user("service", identity_tokens=["of another workload"])
    assert refused(snowflake, **given, token=UNSIGNED_TOKEN) == 394610


def test_a_named_connection_of_the_users_file_is_used(snowflake: SnowflakeDatabase, tmp_path: Path) -> None:
    path = tmp_path / "connections.toml"
    path.write_text(snowflake.connections_toml("bench"))
    path.chmod(0o600)
    with connect_by_name(path, "bench") as connection:
        assert connection.cursor().execute("SELECT CURRENT_DATABASE()").fetchone() == (snowflake.name,)
    assert [login["user"] for login in snowflake.logins()] == ["TESTER"]


def connect_by_name(path: Path, name: str) -> snowflake.connector.SnowflakeConnection:
    return snowflake.connector.connect(
        connection_name=name, connections_file_path=path, enable_server_session_keep_alive_auto_detection=False
    )
