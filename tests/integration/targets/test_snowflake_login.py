"""Every way to log in to Snowflake, as the account sees it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.emulators.handle import PASSWORD, SnowflakeDatabase

from upperbound.errors import TargetAuthFailed, TargetUnreachable
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets import sf_files
from upperbound.targets.sf_connection import open_session
from upperbound.targets.sf_target import snowflake_info

TOKEN = "a-token-that-nobody-may-see"
ATTESTATION = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJl"
"""A token in the form of a JWT, which the driver asks of it."""
PASSPHRASE = "the-passphrase-of-the-key"


@pytest.fixture
def enter(snowflake: SnowflakeDatabase, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Log in with an entry of connections.toml, and return what the account has seen."""

    def enter(**entry: Any) -> dict[str, Any]:
        entry = {"password": None} | entry
        file = tmp_path / "connections.toml"
        file.write_text(snowflake.connections_toml("bench", **entry))
        file.chmod(0o600)
        target = SnowflakeTarget(connection_name="bench")
        info = snowflake_info(target, purpose="upperbound:test", environment={"SNOWFLAKE_HOME": str(tmp_path)})
        assert TOKEN not in repr(info)
        assert PASSPHRASE not in repr(info)
        open_session(info).close()
        return snowflake.logins()[-1]

    return enter


def test_a_password(enter: Callable[..., dict[str, Any]]) -> None:
    seen = enter(password=PASSWORD)
    assert (seen["authenticator"], seen["user"], seen["refused"]) == ("SNOWFLAKE", "TESTER", None)
    told = {key: str(value) for key, value in seen["parameters"].items()}
    assert told["QUERY_TAG"] == "upperbound:test"
    assert told["USE_CACHED_RESULT"].lower() == "false", "results of before are not what is measured"


def test_a_key_pair_whose_key_has_a_passphrase(
    snowflake: SnowflakeDatabase, enter: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    snowflake.set_user("KEYED", public_key_pem=public.decode())
    file = tmp_path / "key.p8"
    lock = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    file.chmod(0o600)
    seen = enter(user="KEYED", private_key_file=str(file), private_key_passphrase=PASSPHRASE)
    assert (seen["authenticator"], seen["signature"]) == ("SNOWFLAKE_JWT", "verified")


def test_a_programmatic_access_token(snowflake: SnowflakeDatabase, enter: Callable[..., dict[str, Any]]) -> None:
    snowflake.set_user("ROBOT", access_tokens=[TOKEN])
    seen = enter(user="ROBOT", authenticator="PROGRAMMATIC_ACCESS_TOKEN", token=TOKEN)
    assert (seen["authenticator"], seen["refused"]) == ("PROGRAMMATIC_ACCESS_TOKEN", None)


def test_an_oauth_token_in_a_file_that_is_read_anew_each_time(
    snowflake: SnowflakeDatabase, enter: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    snowflake.set_user("ROBOT", oauth_tokens=[TOKEN, "a-newer-one"])
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    target = SnowflakeTarget(connection_name="bench")
    assert enter(user="ROBOT", authenticator="OAUTH", token_file_path=str(file))["authenticator"] == "OAUTH"
    info = snowflake_info(target, purpose="upperbound:test", environment={"SNOWFLAKE_HOME": str(tmp_path)})
    snowflake.set_user("ROBOT", oauth_tokens=["a-newer-one"], expired_oauth_tokens=[TOKEN])
    with pytest.raises(TargetAuthFailed, match="expired") as caught:
        open_session(info)
    assert TOKEN not in str(caught.value)
    file.write_text("a-newer-one")
    open_session(info).close()


def test_a_workload_identity(
    snowflake: SnowflakeDatabase, enter: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without this the driver keeps an attestation from any host but Snowflake's own.
    monkeypatch.setenv("SNOWFLAKE_WIF_ALLOWED_HOST_SUFFIXES", "127.0.0.1")
    snowflake.set_user("POD", identity_tokens=[ATTESTATION])
    seen = enter(user="POD", authenticator="WORKLOAD_IDENTITY", workload_identity_provider="OIDC", token=ATTESTATION)
    assert (seen["authenticator"], seen["refused"]) == ("WORKLOAD_IDENTITY", None)


def test_the_token_of_a_container_is_read_before_each_connection(
    snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    monkeypatch.setattr("upperbound.targets.sf_login.CONTAINER_TOKEN", str(token))
    gather = sf_files.gather
    monkeypatch.setattr(
        "upperbound.targets.sf_target.gather", lambda *args, **more: gather(*args, **more, container_token=token)
    )
    snowflake.set_user("SERVICE", oauth_tokens=[TOKEN, "renewed"])
    token.write_text(TOKEN)
    place = snowflake.connect_parameters()
    environment = {
        "SNOWFLAKE_HOME": str(tmp_path),
        "SNOWFLAKE_ACCOUNT": str(place["account"]),
        "SNOWFLAKE_HOST": str(place["host"]),
        "SNOWFLAKE_PORT": str(place["port"]),
        "SNOWFLAKE_PROTOCOL": "http",
    }
    info = snowflake_info(SnowflakeTarget(), purpose="upperbound:test", environment=environment)
    open_session(info).close()
    seen = snowflake.logins()[-1]
    assert (seen["authenticator"], seen["refused"]) == ("OAUTH", None)
    snowflake.set_user("SERVICE", oauth_tokens=["renewed"])
    token.write_text("renewed")
    open_session(info).close()
    assert len(snowflake.logins()) == 2


def test_a_login_that_is_refused_says_why_and_holds_no_password(enter: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(TargetAuthFailed, match=r"refuses the login: .*[Ii]ncorrect username or password") as caught:
        enter(password="wrong-and-secret")
    assert "wrong-and-secret" not in str(caught.value)
    assert "entry bench of" in caught.value.hint


def test_an_account_that_cannot_be_reached_is_told_apart_from_one_that_refuses(
    enter: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(TargetUnreachable, match="cannot be reached"):
        enter(password=PASSWORD, port=1, login_timeout=3)
