"""A password never stays in a scenario, and never shows in what is printed about one."""

import pytest
import yaml
from pydantic import SecretStr, ValidationError
from tests.unit.scenario.samples import VALID, changed, load, problems_of

from upperbound.errors import ScenarioError
from upperbound.scenario.connection_url import check_url, mask_credentials, split_password
from upperbound.scenario.loader import LoadedScenario, parse_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import PostgresTarget

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "left", "password"),
    [
        ("postgresql://me:hunter2@h:1/db", "postgresql://me@h:1/db", "hunter2"),
        ("postgres://me:hunter2@h", "postgres://me@h", "hunter2"),
        ("postgresql://:hunter2@h/db", "postgresql://h/db", "hunter2"),
        ("postgresql://me:a%40b%2Fc@h/db", "postgresql://me@h/db", "a@b/c"),
        ("postgresql://me:a:b@h/db", "postgresql://me@h/db", "a:b"),
        ("postgresql://me:p@ss@h/db", "postgresql://me@h/db", "p@ss"),
        ("postgresql://me@h/db?password=hunter2", "postgresql://me@h/db", "hunter2"),
        ("postgresql://h/db?a=1&pass%77ord=hunter2&b=2", "postgresql://h/db?a=1&b=2", "hunter2"),
        ("postgresql://me:old@h/db?password=hunter2", "postgresql://me@h/db", "hunter2"),
        ("postgresql://me:@h/db", "postgresql://me@h/db", None),
        ("postgresql://me@[::1]:5432/db", "postgresql://me@[::1]:5432/db", None),
        ("postgresql://a:1,b:2/db", "postgresql://a:1,b:2/db", None),
        ("postgresql:///db?host=/tmp&user=a@b", "postgresql:///db?host=/tmp&user=a@b", None),
        ("no url", "no url", None),
    ],
)
def test_a_password_is_taken_out_and_the_rest_of_the_url_stays(url: str, left: str, password: str | None) -> None:
    split = split_password(url)
    assert (split.url, split.password) == (left, password)
    assert password is None or password not in repr(split)


def _loaded() -> LoadedScenario:
    return load({"target.url": f"postgresql://me:{SECRET}@127.0.0.1:5432/db"})


def test_a_password_in_the_url_is_handed_on_beside_the_scenario_with_a_warning() -> None:
    loaded = _loaded()
    assert loaded.password == SecretStr(SECRET)
    assert isinstance(loaded.scenario.target, PostgresTarget)
    assert loaded.scenario.target.url == "postgresql://me@127.0.0.1:5432/db"
    assert len(loaded.warnings) == 1
    assert "PGPASSWORD" in loaded.warnings[0]


def test_no_dump_or_repr_of_a_loaded_scenario_shows_its_password() -> None:
    loaded = _loaded()
    shown = [
        loaded.scenario.model_dump_json(),
        str(loaded.scenario.model_dump()),
        repr(loaded),
        str(loaded),
        repr(loaded.scenario),
        *loaded.warnings,
    ]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize(
    "changes",
    [
        {"target.url": f"postgresql://me:{SECRET}@h:port/db"},
        {"target.url": f"postgresql://me:{SECRET}/{SECRET}@h/db"},
        {"target.url": f"postgres//me:{SECRET}@h/db"},
        {"target.url": f"host=h password={SECRET}"},
        {"target.url": f"postgresql://h/db?sslpassword={SECRET}"},
        {"target.url": [f"postgresql://me:{SECRET}@h/db"]},
        {"target.urll": f"postgresql://me:{SECRET}@h/db"},
        {"target.password": SECRET},
        {"target.table": f"postgresql://me:{SECRET}@h/db"},
        {"target.kind": f"postgresql://me:{SECRET}@h/db"},
        {"load.threads": f"postgresql://me:{SECRET}@h/db"},
        {f"postgresql://me:{SECRET}@h/db": 1},
        {"workload.operations.0.name": f"password={SECRET}", "workload.operations.1.name": f"password={SECRET}"},
    ],
)
def test_no_message_about_a_scenario_shows_a_password(changes: dict[str, object]) -> None:
    data = changed({} if any("://" in key for key in changes) else changes)
    data |= {key: value for key, value in changes.items() if "://" in key}
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(yaml.safe_dump(data))
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "override",
    [
        f"target.url=postgresql://me:{SECRET}@h:port/db",
        f"target.urll=postgresql://me:{SECRET}@h/db",
        f"target.password={SECRET}",
        f"postgresql://me:{SECRET}@h/db",
        f"name.x.postgresql://me:{SECRET}@h=1",
    ],
)
def test_no_message_about_an_override_shows_a_password(override: str) -> None:
    assert SECRET not in str(problems_of(VALID, override))


def test_a_password_in_an_override_is_taken_out_too() -> None:
    loaded = parse_scenario(yaml.safe_dump(VALID), [f"target.url=postgresql://me:{SECRET}@h/db"])
    assert loaded.password == SecretStr(SECRET)
    assert SECRET not in loaded.scenario.model_dump_json()


def test_neither_a_target_nor_a_run_configuration_can_hold_a_password() -> None:
    url = f"postgresql://me:{SECRET}@h/db"
    with pytest.raises(ValidationError) as target:
        PostgresTarget(url=url)
    with pytest.raises(ValidationError) as config:
        RunConfig(scenario=load({}).scenario, threads=(1,), seed=0, target_url=url, table=None, upperbound_version="1")
    assert SECRET not in str(target.value) + str(config.value)


def test_masking_leaves_text_without_credentials_alone() -> None:
    text = "write postgresql://user@host:5432/database, or set PGPASSWORD"
    assert mask_credentials(text) == text
    assert mask_credentials("at postgresql://me:a b@h/db") == "at postgresql://me:***@h/db"
    assert mask_credentials("host=h password='a b' user=me") == "host=h password=*** user=me"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///db",
        "postgresql://h,i:5433/db",
        "postgresql://[::1]",
        "postgresql://%2Ftmp/db",
        "postgres://u@h:1/d?sslmode=require",
    ],
)
def test_the_forms_of_a_url_that_libpq_takes_are_taken(url: str) -> None:
    assert check_url(url) is None


@pytest.mark.parametrize(
    "key",
    ["token", "session_token", "passcode", "private_key_passphrase", "private_key_file_pwd", "oauth_client_secret"],
)
def test_masking_knows_what_snowflake_calls_its_secrets(key: str) -> None:
    assert (
        mask_credentials(f"at snowflake://me@acc/db?{key}=hush&role=R") == f"at snowflake://me@acc/db?{key}=***&role=R"
    )
    assert mask_credentials(f"{key} = 'hush hush'") == f"{key} = ***"


def test_masking_leaves_the_name_of_a_file_with_a_token() -> None:
    text = "snowflake://me@acc/db?token_file_path=/run/token&private_key_file=/k.p8"
    assert mask_credentials(text) == text
