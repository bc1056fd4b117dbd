"""Where data and store are: from flags, then the environment, then ``upperbound.toml``, then defaults."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from upperbound.errors import ConfigurationError, Problem
from upperbound.scenario.connection_url import split_password

FILE_NAME: Final = "upperbound.toml"
MASK: Final = "********"

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class SettingKind:
    """One thing that can be set."""

    name: str
    """Its key in the file."""
    variable: str
    """Its environment variable."""
    description: str
    """What it is for."""
    secret: bool = False
    """Never shown, and refused in the file: files get committed and copied."""


KINDS: Final = (
    SettingKind("home", "UPPERBOUND_HOME", "folder of the embedded store and of the query logs"),
    SettingKind("store", "UPPERBOUND_STORE", "URL of the control and results store"),
    SettingKind("store_password", "UPPERBOUND_STORE_PASSWORD", "password of the store's user", secret=True),
    SettingKind("debug", "UPPERBOUND_DEBUG", "show tracebacks of errors"),
)


@dataclass(frozen=True)
class Setting:
    """One effective value and where it came from."""

    kind: SettingKind
    value: str | None
    """As it is used; show :attr:`shown` instead."""
    source: str
    """``flag``, the name of the environment variable, the path of the file, or ``default``."""

    @property
    def shown(self) -> str | None:
        """The value with secrets masked or left out; None when there is none."""
        if self.value is None:
            return None
        if self.kind.secret:
            return MASK
        return split_password(self.value).url if self.kind.name == "store" else self.value


@dataclass(frozen=True)
class Settings:
    """Every effective setting."""

    home: Path
    store_url: str
    debug: bool
    origins: tuple[Setting, ...]
    """All of them in the order of :data:`KINDS`, for ``upperbound config``."""


def load_settings(
    *,
    store: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Return the effective settings.

    ``store`` is the flag of that name; ``environment`` and ``folder`` default to this process's own. An environment
    variable that is set to nothing counts as not set.

    Raises:
        ConfigurationError: the file or a value in it or in the environment cannot be used; all problems at once.
    """
    environment = os.environ if environment is None else environment
    file = (folder or Path.cwd()) / FILE_NAME
    flags = {"store": store}
    from_file = _read_file(file)
    found = {kind.name: _find(kind, flags, environment, from_file, file) for kind in KINDS}
    debug = _flag(found["debug"])
    home = Path(found["home"].value or "").expanduser().absolute()
    found["home"] = Setting(found["home"].kind, str(home), found["home"].source)
    if found["store"].value is None:
        found["store"] = Setting(found["store"].kind, f"sqlite:///{home / 'upperbound.db'}", "default")
    if password := split_password(found["store"].value or "").password:
        found["store_password"] = Setting(found["store_password"].kind, password, "the store's URL")
    return Settings(home, found["store"].value or "", debug, tuple(found.values()))


def debug_wanted(environment: Mapping[str, str]) -> bool:
    """Tell from the environment alone whether tracebacks are wanted; an odd value counts as yes."""
    return environment.get("UPPERBOUND_DEBUG", "").strip().lower() not in _FALSE


def _find(
    kind: SettingKind,
    flags: Mapping[str, str | None],
    environment: Mapping[str, str],
    from_file: Mapping[str, str],
    file: Path,
) -> Setting:
    if flag := flags.get(kind.name):
        return Setting(kind, flag, "flag")
    if variable := environment.get(kind.variable):
        return Setting(kind, variable, kind.variable)
    if kind.name in from_file:
        return Setting(kind, from_file[kind.name], str(file))
    return Setting(kind, _default(kind.name), "default")


def _default(name: str) -> str | None:
    if name == "home":
        import platformdirs

        return platformdirs.user_data_dir("upperbound", appauthor=False)
    return "false" if name == "debug" else None


def _flag(setting: Setting) -> bool:
    text = (setting.value or "").strip().lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise ConfigurationError(f"debug is {setting.value!r}, set by {setting.source}", hint="write 1 or 0, true or false")


def _read_file(file: Path) -> dict[str, str]:
    """Return the settings of ``file``; none when there is no such file."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    if problems := [problem for key, value in data.items() if (problem := _check(key, value))]:
        raise ConfigurationError(f"{file} cannot be used", problems=problems)
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in data.items()}


def _check(key: str, value: Any) -> Problem | None:
    kind = next((kind for kind in KINDS if kind.name == key), None)
    if kind is None:
        close = difflib.get_close_matches(key, [kind.name for kind in KINDS if not kind.secret], n=1)
        return Problem(key, "unknown key", hint=f"did you mean {close[0]!r}?" if close else "")
    if kind.secret:
        return Problem(key, "a secret does not belong in this file", hint=f"set {kind.variable} instead")
    if not isinstance(value, bool if key == "debug" else str) or value == "":
        return Problem(key, f"is {value!r}", hint="write true or false" if key == "debug" else "write text in quotes")
    return None
