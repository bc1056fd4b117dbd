"""Every way to log in to Snowflake, for a target and for a store alike, as the account sees it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr
from tests.emulators.handle import PASSWORD, SnowflakeDatabase

from upperbound.errors import StoreError, StoreUnreachable, TargetAuthFailed, TargetUnreachable, UpperboundError
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.snowflake_login import files
from upperbound.store.address import parse_store_url
from upperbound.store.database import Database
from upperbound.targets.sf_connection import open_session
from upperbound.targets.sf_target import snowflake_info

TOKEN = "a-token-that-nobody-may-see"
NEWER = "a-newer-one"
ATTESTATION = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJl"
"""A token in the form of a JWT, which the driver asks of it."""
PASSPHRASE = "the-passphrase-of-the-key"
Side = Literal["target", "store"]
TAGS = {"target": "upperbound:test", "store": "upperbound:store"}


@dataclass(frozen=True)
class Door:
    """What logs in, as the product does for one of the two sides."""

    side: Side
    account: SnowflakeDatabase
    home: Path
    environment: pytest.MonkeyPatch

    def write_entry(self, **entry: Any) -> None:
        """Write the entry ``bench`` of connections.toml; no password is in it unless it is given."""
        file = self.home / "connections.toml"
        file.write_text(self.account.connections_toml("bench", **({"password": None} | entry)))
        file.chmod(0o600)

    def write_environment(self, **variables: Any) -> None:
        """Set variables that say where the account is, and how to log in to it."""
        place = self.account.connect_parameters(user=None, password=None)
        for key, value in (place | variables).items():
            self.environment.setenv(f"SNOWFLAKE_{key.upper()}", str(value))

    def enter(self, *, name: str | None = "bench", secret: str | None = None) -> dict[str, Any]:
        """Log in and return what the account has seen; ``secret`` is given beside the files."""
        before = len(self.account.logins())
        given = None if secret is None else SecretStr(secret)
        if self.side == "target":
            info = snowflake_info(SnowflakeTarget(connection_name=name), purpose=TAGS["target"], secret=given)
            assert all(text not in repr(info) for text in (TOKEN, PASSPHRASE, PASSWORD))
            open_session(info).close()
        else:
            variables = {} if secret is None else {"UPPERBOUND_STORE_PASSWORD": secret}
            address = parse_store_url("snowflake://" + (f"?connection_name={name}" if name else ""), variables)
            assert all(text not in repr(address) for text in (TOKEN, PASSPHRASE, PASSWORD))
            database = Database(address)
            try:
                assert database.rows(sa.text("SELECT 1 AS one"))[0]["one"] == 1
            finally:
                database.close()
        seen = self.account.logins()
        assert len(seen) == before + 1, "one connection is one login"
        return seen[-1]

    def refused(self, **how: Any) -> UpperboundError:
        """Log in in vain and return the error."""
        with pytest.raises(TargetAuthFailed if self.side == "target" else StoreError) as caught:
            self.enter(**how)
        assert not any(text in f"{caught.value} {caught.value.__cause__}" for text in (TOKEN, PASSPHRASE, PASSWORD))
        return caught.value


@pytest.fixture(params=["target", "store"])
def door(
    request: pytest.FixtureRequest, snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Door:
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    return Door(request.param, snowflake, tmp_path, monkeypatch)


@pytest.fixture
def key_file(tmp_path: Path, snowflake: SnowflakeDatabase) -> Path:
    """The encrypted key of the user KEYED."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    snowflake.set_user("KEYED", public_key_pem=public.decode())
    file = tmp_path / "key.p8"
    lock = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    file.chmod(0o600)
    return file


def facts(seen: dict[str, Any]) -> tuple[str, str, object]:
    return seen["authenticator"], seen["user"], seen["refused"]


def test_a_password_of_an_entry(door: Door) -> None:
    door.write_entry(password=PASSWORD)
    seen = door.enter()
    assert facts(seen) == ("SNOWFLAKE", "TESTER", None)
    told = {key: str(value) for key, value in seen["parameters"].items()}
    assert told["QUERY_TAG"] == TAGS[door.side]
    if door.side == "target":
        assert told["USE_CACHED_RESULT"].lower() == "false", "results of before are not what is measured"


def test_a_password_of_the_environment(door: Door) -> None:
    door.write_environment(user="TESTER", password=PASSWORD)
    assert facts(door.enter(name=None)) == ("SNOWFLAKE", "TESTER", None)


def test_the_default_entry_when_none_is_named(door: Door) -> None:
    door.write_entry(password=PASSWORD)
    door.environment.setenv("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "bench")
    assert facts(door.enter(name=None)) == ("SNOWFLAKE", "TESTER", None)
    door.environment.delenv("SNOWFLAKE_DEFAULT_CONNECTION_NAME")
    (door.home / "config.toml").write_text('default_connection_name = "bench"\n')
    assert facts(door.enter(name=None)) == ("SNOWFLAKE", "TESTER", None)


def test_a_key_pair_whose_passphrase_is_in_the_entry(door: Door, key_file: Path) -> None:
    door.write_entry(user="KEYED", private_key_file=str(key_file), private_key_passphrase=PASSPHRASE)
    seen = door.enter()
    assert (*facts(seen), seen["signature"]) == ("SNOWFLAKE_JWT", "KEYED", None, "verified")


def test_a_key_pair_in_a_file_of_the_users_home(door: Door, key_file: Path) -> None:
    door.environment.setenv("HOME", str(door.home))
    door.write_entry(user="KEYED", private_key_file=f"~/{key_file.name}", private_key_passphrase=PASSPHRASE)
    assert door.enter()["signature"] == "verified"


def test_a_key_pair_whose_passphrase_is_given_beside_the_files(door: Door, key_file: Path) -> None:
    door.write_entry(user="KEYED", private_key_file=str(key_file))
    seen = door.enter(secret=PASSPHRASE)
    assert (*facts(seen), seen["signature"]) == ("SNOWFLAKE_JWT", "KEYED", None, "verified")


def test_a_key_pair_of_the_environment(door: Door, key_file: Path) -> None:
    door.write_environment(user="KEYED", private_key_file=key_file)
    door.environment.setenv("PRIVATE_KEY_PASSPHRASE", PASSPHRASE)
    seen = door.enter(name=None)
    assert (*facts(seen), seen["signature"]) == ("SNOWFLAKE_JWT", "KEYED", None, "verified")


def test_a_programmatic_access_token_of_an_entry(door: Door) -> None:
    door.account.set_user("ROBOT", access_tokens=[TOKEN])
    door.write_entry(user="ROBOT", authenticator="PROGRAMMATIC_ACCESS_TOKEN", token=TOKEN)
    assert facts(door.enter()) == ("PROGRAMMATIC_ACCESS_TOKEN", "ROBOT", None)


def test_a_programmatic_access_token_given_beside_the_files(door: Door) -> None:
    door.account.set_user("ROBOT", access_tokens=[TOKEN])
    door.write_entry(user="ROBOT", authenticator="PROGRAMMATIC_ACCESS_TOKEN")
    assert facts(door.enter(secret=TOKEN)) == ("PROGRAMMATIC_ACCESS_TOKEN", "ROBOT", None)


@pytest.mark.parametrize(
    ("authenticator", "means"), [("OAUTH", "oauth_tokens"), ("PROGRAMMATIC_ACCESS_TOKEN", "access_tokens")]
)
def test_a_token_in_a_file_is_read_anew_each_time(door: Door, authenticator: str, means: str) -> None:
    door.account.set_user("ROBOT", **{means: [TOKEN, NEWER]})
    file = door.home / "token"
    file.write_text(f"{TOKEN}\n")
    door.write_entry(user="ROBOT", authenticator=authenticator, token_file_path=str(file))
    assert facts(door.enter()) == (authenticator, "ROBOT", None)
    door.account.set_user("ROBOT", **{means: [NEWER]})
    assert "refuses the login" in door.refused().message
    file.write_text(NEWER)
    assert facts(door.enter()) == (authenticator, "ROBOT", None)
    file.unlink()
    gone = door.refused()
    assert f"cannot be logged in to: the token in {file} cannot be read" in gone.message


def test_an_expired_token_is_told_and_may_be_renewed(door: Door) -> None:
    door.account.set_user("ROBOT", expired_oauth_tokens=[TOKEN])
    door.write_entry(user="ROBOT", authenticator="OAUTH", token=TOKEN)
    error = door.refused()
    assert "expired" in error.message
    assert "get a new one" in error.hint
    if door.side == "store":
        assert isinstance(error, StoreUnreachable), "a run goes on without its store until the token is renewed"


def test_a_workload_identity(door: Door) -> None:
    # Without this the driver keeps an attestation from any host but Snowflake's own.
    door.environment.setenv("SNOWFLAKE_WIF_ALLOWED_HOST_SUFFIXES", "127.0.0.1")
    door.account.set_user("POD", identity_tokens=[ATTESTATION])
    door.write_entry(
        user="POD", authenticator="WORKLOAD_IDENTITY", workload_identity_provider="OIDC", token=ATTESTATION
    )
    assert facts(door.enter())[::2] == ("WORKLOAD_IDENTITY", None)


def test_the_token_of_a_container_is_read_before_each_connection(door: Door) -> None:
    token = door.home / "session-token"
    door.environment.setattr(files, "CONTAINER_TOKEN", token)
    door.account.set_user("SERVICE", oauth_tokens=[TOKEN, NEWER])
    token.write_text(TOKEN)
    door.write_environment()
    assert facts(door.enter(name=None))[::2] == ("OAUTH", None)
    door.account.set_user("SERVICE", oauth_tokens=[NEWER])
    assert "refuses the login" in door.refused(name=None).message
    token.write_text(NEWER)
    assert facts(door.enter(name=None))[::2] == ("OAUTH", None)


def test_a_login_that_is_refused_says_why_and_where_it_comes_from(door: Door) -> None:
    door.write_entry(password="wrong-and-secret")
    error = door.refused()
    assert "refuses the login: " in error.message
    assert "ncorrect username or password" in error.message
    assert "wrong-and-secret" not in str(error)
    assert f"they are from entry bench of {door.home}" in error.hint


def test_what_asks_a_person_is_refused_before_anything_is_sent(door: Door) -> None:
    door.write_entry(authenticator="externalbrowser")
    with pytest.raises(UpperboundError, match="asks a person for each connection") as caught:
        door.enter()
    assert "SNOWFLAKE_JWT" in caught.value.hint
    assert door.account.logins() == []


def test_a_key_that_is_not_there_or_does_not_open_is_no_matter_of_the_network(door: Door, key_file: Path) -> None:
    door.write_entry(user="KEYED", private_key_file=str(key_file), private_key_passphrase="not-this-one")
    assert "not-this-one" not in str(door.refused())
    door.write_entry(user="KEYED", private_key_file=str(door.home / "nothing.p8"))
    assert not isinstance(door.refused(), StoreUnreachable)
    assert door.account.logins() == []


def test_an_account_that_cannot_be_reached_is_told_apart_from_one_that_refuses(door: Door) -> None:
    door.write_entry(password=PASSWORD, port=1, login_timeout=3)
    with pytest.raises((TargetUnreachable, StoreUnreachable), match="cannot be reached"):
        door.enter()
