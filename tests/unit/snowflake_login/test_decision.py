"""How to log in to Snowflake is decided from what is there, and nothing secret can be seen afterwards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from upperbound.errors import ConfigurationError
from upperbound.snowflake_login import files
from upperbound.snowflake_login.decision import Asker, Given, Login, Method, decide_login
from upperbound.snowflake_login.failures import LoginFailed
from upperbound.snowflake_login.files import gather, read_connections, read_token, snowflake_folder

HUSH = "hush-hush-4711"
BENCH: dict[str, object] = {"account": "org-bench", "user": "ADA", "password": HUSH, "role": "BENCH"}


def login(entry: Mapping[str, object] | None = None, name: str | None = None, **given: Any) -> Login:
    entries = {} if entry is None else {"bench": entry, "default": {"account": "org-other", "user": "BOB"}}
    given.setdefault("connection_name", "bench" if entry is not None else name)
    return decide_login(Given(entries=entries, **given))


def secrets(made: Login) -> dict[str, str]:
    return {key: value.get_secret_value() for key, value in made.secrets.items()}


def test_an_entry_that_is_named_says_it_all() -> None:
    made = login(BENCH)
    assert made.method is Method.PASSWORD
    assert (made.get("account"), made.get("user"), made.get("role")) == ("org-bench", "ADA", "BENCH")
    assert secrets(made) == {"password": HUSH}


def test_a_scenario_wins_over_the_entry_and_the_entry_over_the_environment() -> None:
    environment = {"SNOWFLAKE_ROLE": "FROM_ENV", "SNOWFLAKE_WAREHOUSE": "FROM_ENV", "SNOWFLAKE_DATABASE": "FROM_ENV"}
    made = login(BENCH | {"warehouse": "FROM_ENTRY"}, wanted={"role": "FROM_SCENARIO"}, environment=environment)
    assert [made.get(key) for key in ("role", "warehouse", "database")] == ["FROM_SCENARIO", "FROM_ENTRY", "FROM_ENV"]


def test_a_variable_for_a_key_of_the_entry_wins_over_it() -> None:
    made = login(BENCH, environment={"SNOWFLAKE_CONNECTIONS_BENCH_ROLE": "OTHER"})
    assert made.get("role") == "OTHER"


def test_the_entry_is_the_one_that_the_environment_names() -> None:
    made = decide_login(Given(entries={"x": BENCH}, environment={"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "x"}))
    assert "entry x" in made.source


def test_the_entry_is_the_default_one_when_nobody_names_any() -> None:
    assert decide_login(Given(entries={"default": BENCH, "x": {}})).get("account") == "org-bench"
    assert decide_login(Given(entries={"default": {}, "x": BENCH}, default_name="x")).get("account") == "org-bench"


def test_an_account_of_the_scenario_is_not_logged_in_to_with_the_password_of_another() -> None:
    given = Given(wanted={"account": "mine"}, entries={"default": BENCH}, environment={"SNOWFLAKE_USER": "EVE"})
    with pytest.raises(ConfigurationError, match="which password"):
        decide_login(given)


def test_an_entry_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="has no entry 'nope'") as caught:
        login(BENCH, connection_name="nope")
    assert "bench, default" in caught.value.hint


def test_the_environment_alone_is_enough() -> None:
    environment = {"SNOWFLAKE_ACCOUNT": "a-b", "SNOWFLAKE_USER": "ADA", "SNOWFLAKE_PASSWORD": HUSH}
    made = login(environment=environment)
    assert (made.method, made.get("account"), secrets(made)) == (Method.PASSWORD, "a-b", {"password": HUSH})


@pytest.mark.parametrize(
    ("entry", "method"),
    [
        ({"private_key_file": "/k.p8", "private_key_passphrase": HUSH}, Method.KEY_PAIR),
        ({"authenticator": "snowflake_jwt", "private_key_path": "/k.p8"}, Method.KEY_PAIR),
        ({"authenticator": "OAUTH", "token": HUSH}, Method.OAUTH),
        ({"authenticator": "programmatic_access_token", "token": HUSH}, Method.PROGRAMMATIC_ACCESS_TOKEN),
        ({"authenticator": "WORKLOAD_IDENTITY", "workload_identity_provider": "AWS"}, Method.WORKLOAD_IDENTITY),
        ({"workload_identity_provider": "GCP"}, Method.WORKLOAD_IDENTITY),
        ({"authenticator": "https://me.okta.com", "password": HUSH}, Method.OKTA),
        ({"authenticator": "snowflake", "password": HUSH}, Method.PASSWORD),
    ],
)
def test_the_method_follows_from_what_is_there(entry: dict[str, object], method: Method) -> None:
    made = login({"account": "a", "user": "u"} | entry)
    assert made.method is method
    assert HUSH not in repr(made)
    assert HUSH not in str(made.parameters)


def test_names_of_other_tools_become_those_of_the_connector() -> None:
    made = login({"accountname": "a", "username": "u", "private_key_path": "/k.p8", "private_key_file_pwd": HUSH})
    assert (made.get("account"), made.get("user"), made.get("private_key_file")) == ("a", "u", "/k.p8")
    assert secrets(made) == {"private_key_password": HUSH}


def test_a_password_of_the_environment_does_not_take_the_place_of_an_entrys_key() -> None:
    made = login(
        {"account": "a", "user": "u", "private_key_file": "/k.p8"}, environment={"SNOWFLAKE_PASSWORD": "other"}
    )
    assert (made.method, secrets(made)) == (Method.KEY_PAIR, {})


@pytest.mark.parametrize("authenticator", ["externalbrowser", "USERNAME_PASSWORD_MFA", "OAUTH_AUTHORIZATION_CODE"])
def test_what_asks_a_person_is_refused(authenticator: str) -> None:
    with pytest.raises(ConfigurationError, match="asks a person for each connection"):
        login(BENCH | {"authenticator": authenticator})


@pytest.mark.parametrize(
    ("entry", "missing"),
    [
        ({"user": "u", "password": "p"}, "which account"),
        ({"account": "a", "password": "p"}, "which user"),
        ({"account": "a", "user": "u"}, "which password"),
        ({"account": "a", "user": "u", "authenticator": "SNOWFLAKE_JWT"}, "which private key file"),
        ({"account": "a", "user": "u", "authenticator": "PROGRAMMATIC_ACCESS_TOKEN"}, "which token"),
        ({"account": "a", "authenticator": "WORKLOAD_IDENTITY"}, "which workload identity provider"),
        ({"account": "a", "user": "u", "token": HUSH}, "of which kind"),
        ({"account": "a", "user": "u", "authenticator": "MAGIC"}, "is not known"),
    ],
)
def test_what_is_missing_is_told_with_what_to_do(entry: dict[str, object], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing) as caught:
        login(entry)
    assert caught.value.hint
    assert HUSH not in str(caught.value)


def test_within_a_container_its_token_is_used() -> None:
    environment = {"SNOWFLAKE_HOST": "inside", "SNOWFLAKE_ACCOUNT": "a", "SNOWFLAKE_USER": "ignored"}
    made = login(environment=environment, container_token="/in/a/container")
    assert (made.method, made.token_file, made.get("host")) == (Method.OAUTH, "/in/a/container", "inside")
    assert made.get("user") is None


def test_within_a_container_a_named_entry_still_wins() -> None:
    assert login(BENCH, container_token="/in/a/container").method is Method.PASSWORD


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"wanted": {"account": "another"}}, "which user"), ({"wanted": {"host": "another"}}, "which user")],
)
def test_the_token_of_a_container_goes_to_no_other_account(given: dict[str, Any], missing: str) -> None:
    environment = {"SNOWFLAKE_HOST": "inside", "SNOWFLAKE_ACCOUNT": "a"}
    with pytest.raises(ConfigurationError, match=missing):
        login(environment=environment, container_token="/in/a/container", **given)


def test_within_a_container_a_secret_that_is_given_wins_over_its_token() -> None:
    environment = {"SNOWFLAKE_HOST": "inside", "SNOWFLAKE_ACCOUNT": "a", "SNOWFLAKE_USER": "ADA"}
    made = login(environment=environment, container_token="/in/a/container", secret=SecretStr(HUSH))
    assert (made.method, secrets(made), made.token_file) == (Method.PASSWORD, {"password": HUSH}, None)


def test_where_the_account_of_the_environment_is_says_nothing_of_another_one() -> None:
    environment = {"SNOWFLAKE_HOST": "inside", "SNOWFLAKE_ACCOUNT": "a", "SNOWFLAKE_PORT": "8080"}
    elsewhere = login(BENCH, environment=environment)
    assert (elsewhere.get("host"), elsewhere.get("port")) == (None, None)
    assert login(BENCH | {"host": "own"}, environment=environment).get("host") == "own"
    here = login(BENCH | {"account": "A"}, environment=environment)
    assert (here.get("host"), here.parameters["port"]) == ("inside", 8080)


def test_a_key_that_is_asked_for_takes_the_place_of_an_entrys_password_and_the_password_is_not_sent() -> None:
    made = login(BENCH, wanted={"private_key_file": "/k.p8"})
    assert (made.method, secrets(made)) == (Method.KEY_PAIR, {})


def test_a_method_alone_uses_the_proof_that_is_there_for_it() -> None:
    kept = {"private_key_file": "/k.p8", "private_key_passphrase": HUSH, "password": "not-sent"}
    made = login({"account": "a", "user": "u"} | kept, wanted={"authenticator": "SNOWFLAKE_JWT"})
    assert (made.method, secrets(made)) == (Method.KEY_PAIR, {"private_key_password": HUSH})
    token = {"SNOWFLAKE_TOKEN": HUSH, "SNOWFLAKE_PASSWORD": "not-sent"}
    made = login({"account": "a", "user": "u", "authenticator": "OAUTH"}, environment=token)
    assert (made.method, secrets(made)) == (Method.OAUTH, {"token": HUSH})


def test_messages_speak_of_what_asks() -> None:
    asker = Asker("the URL or the environment", "{key} in the URL", "ITS_PASSWORD")
    with pytest.raises(ConfigurationError, match=r"which account .*: not the URL or the environment") as caught:
        login(asker=asker)
    assert "set account in the URL" in caught.value.hint
    with pytest.raises(ConfigurationError) as caught:
        login(asker=asker, wanted={"account": "a", "user": "u"})
    assert "set ITS_PASSWORD" in caught.value.hint


def test_a_token_file_is_kept_to_be_read_before_each_connection() -> None:
    made = login({"account": "a", "user": "u", "authenticator": "OAUTH", "token_file_path": "/t"})
    assert (made.token_file, made.get("token_file_path")) == ("/t", None)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"account": "a", "user": "u"}, "password"),
        ({"account": "a", "user": "u", "private_key_file": "/k"}, "private_key_password"),
        ({"account": "a", "user": "u", "authenticator": "PROGRAMMATIC_ACCESS_TOKEN"}, "token"),
    ],
)
def test_a_secret_that_is_given_for_one_run_is_what_its_method_needs(entry: dict[str, object], place: str) -> None:
    assert secrets(login(entry, secret=SecretStr(HUSH))) == {place: HUSH}


@pytest.mark.parametrize("key", ["proxy", "oauth_client_secret", "some_new_token", "other_passphrase"])
def test_what_may_be_secret_is_kept_apart(key: str) -> None:
    made = login(BENCH | {key: "do-not-show"})
    assert "do-not-show" not in f"{made!r} {made.parameters}"
    assert secrets(made)[key] == "do-not-show"


def test_nothing_secret_is_left_in_a_message() -> None:
    assert login(BENCH).hide(f"login of ADA with {HUSH} failed") == "login of ADA with *** failed"


def test_given_shows_nothing_of_files_and_environment() -> None:
    assert HUSH not in repr(Given(entries={"x": BENCH}, environment={"SNOWFLAKE_PASSWORD": HUSH}))


# Files ------------------------------------------------------------------------------------------------------------


def test_entries_are_read_from_connections_toml(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    file.write_text(f'[bench]\naccount = "a"\npassword = "{HUSH}"\n[connections.nested]\naccount = "b"\n')
    file.chmod(0o600)
    (tmp_path / "config.toml").write_text('default_connection_name = "bench"\n[connections.old]\naccount = "c"\n')
    found = read_connections(tmp_path)
    assert (sorted(found.entries), found.default_name, found.warning) == (["bench", "nested"], "bench", "")
    assert HUSH not in repr(found)


def test_entries_of_config_toml_serve_where_there_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[connections.old]\naccount = "c"\n')
    assert read_connections(tmp_path).entries == {"old": {"account": "c"}}


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    file.write_text('[x]\naccount = "a"\n')
    file.chmod(0o644)
    assert "chmod 600" in read_connections(tmp_path).warning


def test_a_file_that_is_no_toml_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "connections.toml").write_text(f"[x\npassword = {HUSH}")
    with pytest.raises(ConfigurationError, match="is not TOML") as caught:
        read_connections(tmp_path)
    assert HUSH not in str(caught.value)


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_connections(tmp_path).entries == {}


def test_the_folder_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / ".snowflake").mkdir()
    assert snowflake_folder({"SNOWFLAKE_HOME": "/elsewhere"}, tmp_path) == Path("/elsewhere")
    assert snowflake_folder({}, tmp_path) == tmp_path / ".snowflake"


def test_everything_is_gathered_from_files_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "connections.toml").write_text('[x]\naccount = "a"\n')
    token = tmp_path / "token"
    token.write_text("t")
    monkeypatch.setattr(files, "CONTAINER_TOKEN", token)
    given = gather({}, None, {"SNOWFLAKE_HOME": str(tmp_path)})
    assert (given.entries, given.container_token) == ({"x": {"account": "a"}}, str(token))


def test_a_token_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{HUSH}\n")
    assert read_token(str(file)).get_secret_value() == HUSH
    file.write_text("")
    with pytest.raises(LoginFailed, match="is empty"):
        read_token(str(file))
    with pytest.raises(LoginFailed, match="cannot be read"):
        read_token(str(tmp_path / "nothing"))
