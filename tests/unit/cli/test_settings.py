"""Settings come from flags, then the environment, then the file, then defaults, and secrets are never shown."""

from pathlib import Path

import pytest

from upperbound.cli.settings import FILE_NAME, KINDS, MASK, Settings, debug_wanted, load_settings
from upperbound.errors import ConfigurationError


def settings(
    folder: Path, *, file: str | None = None, store: str | None = None, **environment: str
) -> tuple[Settings, dict[str, tuple[str | None, str]]]:
    """Return the settings, and of each what is shown and where it came from."""
    if file is not None:
        (folder / FILE_NAME).write_text(file, encoding="utf-8")
    found = load_settings(store=store, environment=environment, folder=folder)
    return found, {one.kind.name: (one.shown, one.source) for one in found.origins}


def test_each_source_goes_over_the_next(tmp_path: Path) -> None:
    file = 'store = "sqlite:////file.db"'
    variable = {"UPPERBOUND_STORE": "sqlite:////variable.db"}
    flagged, origins = settings(tmp_path, file=file, store="sqlite:////flag.db", **variable)
    assert flagged.store_url == "sqlite:////flag.db"
    assert origins["store"] == ("sqlite:////flag.db", "flag")
    from_environment, origins = settings(tmp_path, **variable)
    assert from_environment.store_url == "sqlite:////variable.db"
    assert origins["store"][1] == "UPPERBOUND_STORE"
    from_file, origins = settings(tmp_path)
    assert from_file.store_url == "sqlite:////file.db"
    assert origins["store"][1] == str(tmp_path / FILE_NAME)
    (tmp_path / FILE_NAME).unlink()
    _, origins = settings(tmp_path)
    assert origins["store"][1] == "default"


def test_the_default_store_is_a_file_in_the_home(tmp_path: Path) -> None:
    found, origins = settings(tmp_path, UPPERBOUND_HOME=str(tmp_path / "home"))
    assert found.home == tmp_path / "home"
    assert found.store_url == f"sqlite:///{tmp_path / 'home' / 'upperbound.db'}"
    assert origins["home"][1] == "UPPERBOUND_HOME"
    assert origins["store"][1] == "default"


def test_the_default_home_is_the_user_s_data_directory(tmp_path: Path) -> None:
    found, origins = settings(tmp_path)
    assert found.home.name == "upperbound"
    assert found.home.is_absolute()
    assert origins["home"][1] == "default"


def test_a_variable_that_is_set_to_nothing_is_not_set(tmp_path: Path) -> None:
    found, origins = settings(tmp_path, file=f'home = "{tmp_path}"', UPPERBOUND_HOME="")
    assert found.home == tmp_path
    assert origins["home"][1] == str(tmp_path / FILE_NAME)


def test_every_setting_is_listed(tmp_path: Path) -> None:
    found, _ = settings(tmp_path)
    assert [one.kind for one in found.origins] == list(KINDS)


def test_secrets_are_masked(tmp_path: Path) -> None:
    _, origins = settings(tmp_path, UPPERBOUND_STORE_PASSWORD="hunter2")
    assert origins["store_password"] == (MASK, "UPPERBOUND_STORE_PASSWORD")


@pytest.mark.parametrize("url", ["postgresql://app:hunter2@db/x", "postgresql://app@db/x?password=hunter2"])
def test_a_password_in_the_store_s_url_is_used_and_not_shown(tmp_path: Path, url: str) -> None:
    found, origins = settings(tmp_path, store=url)
    assert found.store_url == url
    assert origins["store"] == ("postgresql://app@db/x", "flag")
    assert origins["store_password"] == (MASK, "the store's URL")


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("true", True), ("Yes", True), ("0", False), ("false", False), ("off", False)]
)
def test_debug_is_a_truth_value(tmp_path: Path, text: str, *, expected: bool) -> None:
    found, _ = settings(tmp_path, UPPERBOUND_DEBUG=text)
    assert found.debug is expected
    assert debug_wanted({"UPPERBOUND_DEBUG": text}) is expected


def test_debug_in_the_file(tmp_path: Path) -> None:
    assert settings(tmp_path, file="debug = true")[0].debug is True


def test_an_odd_truth_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set by UPPERBOUND_DEBUG"):
        settings(tmp_path, UPPERBOUND_DEBUG="maybe")


def test_every_problem_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, file='stor = "x"\nstore_password = "hunter2"\nhome = 7\ndebug = "yes"')
    told = {problem.where: str(problem) for problem in caught.value.problems}
    assert "did you mean 'store'?" in told["stor"]
    assert "UPPERBOUND_STORE_PASSWORD" in told["store_password"]
    assert "write text in quotes" in told["home"]
    assert "write true or false" in told["debug"]
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"not valid TOML.*line 1"):
        settings(tmp_path, file="store = @")
