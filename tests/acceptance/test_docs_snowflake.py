"""What the page on setting up a Snowflake account tells its reader to write and type works, in its order.

The account is an emulated one, which enforces no grant and cannot read the variables of ``role.sql``: the schema of the
store is made here. Everything else is taken from the page.
"""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.acceptance.place import MEASURED, Place
from tests.emulators.handle import SnowflakeDatabase

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "set-up-a-snowflake-account.md"
SHORTER = ("--set", "load.duration_seconds=1", "--set", "load.warmup_seconds=0", "--set", "load.threads=2")
NOT_EMULATED = ("CREATE USER",)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def statements() -> list[str]:
    text = re.sub(r"^--.*$", "", "\n".join(blocks("sql")), flags=re.MULTILINE)
    return [statement.strip() for statement in text.split(";") if statement.strip()]


@pytest.fixture
def key_file(place: Place, snowflake: SnowflakeDatabase) -> Path:
    """The key of the page's user, as its second step makes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    snowflake.set_user("UPPERBOUND", public_key_pem=public.decode())
    file = place.work / "upperbound.p8"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*form))
    file.chmod(0o600)
    return file


def write_connections(place: Place, snowflake: SnowflakeDatabase, key_file: Path) -> dict[str, dict[str, Any]]:
    """Write the page's entries, which lead to the emulated account; return them as they stand on the page."""
    (text,) = blocks("toml")
    entries = tomllib.loads(text)
    folder = place.work / "snowflake"
    folder.mkdir()
    own = {"password": None, "private_key_file": str(key_file), "database": snowflake.name}
    (folder / "connections.toml").write_text(
        "\n".join(
            snowflake.connections_toml(name, **(entry | own | {"account": "emulator"}))
            for name, entry in entries.items()
        )
    )
    (folder / "connections.toml").chmod(0o600)
    return entries


def test_the_page_leads_from_an_empty_account_to_a_run(
    place: Place, snowflake: SnowflakeDatabase, key_file: Path
) -> None:
    for statement in statements():
        if not statement.startswith(NOT_EMULATED):
            # As a database of its own, and by a user who may do everything.
            snowflake.rows(re.sub(r"\bAPP\b", snowflake.name, statement))
    snowflake.rows("CREATE SCHEMA STORE")
    snowflake.set_warehouse("UPPERBOUND_STORE_WH")
    entries = write_connections(place, snowflake, key_file)
    (scenario,) = blocks("yaml")
    place.write("my-scenario.yaml", scenario)
    environment: dict[str, str | None] = {"SNOWFLAKE_HOME": str(place.work / "snowflake")}

    typed = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(typed) == 6
    for command in typed:
        program, *arguments = shlex.split(command)
        assert program == "upperbound"
        measures = arguments[0] == "run"
        outcome = place.run(*arguments, *(SHORTER if measures else ()), environment=environment, deadline_s=120)
        assert outcome.code in (MEASURED if measures else {0}), f"{command}\n{outcome.text}"
    assert "COMPLETED" in outcome.out

    script = (place.work / "store-sql" / "role.sql").read_text("utf-8")
    for name in ("UPPERBOUND_OWNER", "UPPERBOUND_STORE", "UPPERBOUND_STORE_WH"):
        assert name in script, "what the page says of the script is so"
    assert {entry["role"] for entry in entries.values()} == {"BENCH", "UPPERBOUND_STORE", "UPPERBOUND_OWNER"}
    assert {login["authenticator"] for login in snowflake.logins() if login["user"] == "UPPERBOUND"} == {
        "SNOWFLAKE_JWT"
    }
    ran = snowflake.rows("SELECT status FROM STORE.RUN_STATUS")
    assert ran == [("COMPLETED",)], "the run is kept in the account"
