"""The users file: who may log in, with passwords that only their owners know."""

import base64
import binascii
import functools
import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upperbound.errors import ConfigurationError, Problem

_COST: Final = 2**15
_BLOCK: Final = 8
_PARALLEL: Final = 1
_MEMORY_BYTES: Final = 64 * 2**20
_NAME_CHARACTERS: Final = 64


@dataclass(frozen=True)
class UsersFile:
    """A file with a line ``name:hash`` for each user, as ``upperbound users add`` writes them."""

    path: Path

    def check(self) -> None:
        """Raise :class:`ConfigurationError` when the file cannot be used, with every line that is wrong."""
        self._read()
        if self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"the users file {self.path} can be read by others", hint=f"chmod 600 {self.path}")

    def knows(self, name: str, password: str) -> bool:
        """Say whether this is a user's name and password; takes as long for a name that is none.

        The file is read each time, so that a user who was removed is out at once. Raises :class:`ConfigurationError`
        when it cannot be.
        """
        stored = self._read().get(name)
        right = _matches(password, stored or _nobodys())
        return right and stored is not None

    def names(self) -> list[str]:
        """Return the names. Raises :class:`ConfigurationError`."""
        return list(self._read())

    def add(self, name: str, password: str) -> None:
        """Add a user, or give one another password. Raises :class:`ConfigurationError`."""
        if not name or len(name) > _NAME_CHARACTERS or ":" in name or not name.isprintable() or name.startswith("#"):
            raise ConfigurationError(f"{name!r} cannot be a user's name", hint="use letters, digits, dots and dashes")
        users = self._read() if self.path.exists() else {}
        self._write({**users, name: _hash(password)})

    def remove(self, name: str) -> None:
        """Remove a user. Raises :class:`ConfigurationError` when there is none of this name."""
        users = self._read()
        if users.pop(name, None) is None:
            raise ConfigurationError(f"there is no user {name!r} in {self.path}")
        self._write(users)

    def _read(self) -> dict[str, str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            hint = "`upperbound users add` makes one"
            raise ConfigurationError(f"the users file {self.path} cannot be read: {reason}", hint=hint) from None
        users: dict[str, str] = {}
        problems = []
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, colon, stored = line.partition(":")
            if not colon or not name or _parts(stored) is None:
                problems.append(Problem(f"line {number}", "is not name:hash", "`upperbound users add` writes lines"))
            elif name in users:
                problems.append(Problem(f"line {number}", f"names {name!r} a second time", "remove one"))
            users[name] = stored
        if problems:
            raise ConfigurationError(f"the users file {self.path} cannot be used", problems=problems)
        return users

    def _write(self, users: dict[str, str]) -> None:
        """Write the file so that it is there as a whole or not at all, for its owner alone."""
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.draft")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{name}:{stored}\n" for name, stored in users.items())
            draft.replace(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror or error}") from None


def _hash(password: str) -> str:
    salt = secrets.token_bytes(16)
    return (
        f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_text(salt)}${_text(_derive(password, salt, _COST, _BLOCK, _PARALLEL))}"
    )


def _matches(password: str, stored: str) -> bool:
    parts = _parts(stored)
    assert parts is not None, "the file was checked"
    cost, block, parallel, salt, digest = parts
    return hmac.compare_digest(_derive(password, salt, cost, block, parallel), digest)


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY_BYTES, dklen=32)


def _parts(stored: str) -> tuple[int, int, int, bytes, bytes] | None:
    """Return what a hash was made with, and the hash; None when it is none of ours."""
    try:
        scheme, cost, block, parallel, salt, digest = stored.strip().split("$")
        parts = int(cost), int(block), int(parallel), base64.b64decode(salt), base64.b64decode(digest)
    except (ValueError, binascii.Error):
        return None
    fits = parts[0] * parts[1] * 128 < _MEMORY_BYTES and parts[0] > 1 and parts[0] & (parts[0] - 1) == 0
    return parts if scheme == "scrypt" and fits and parts[1] > 0 and parts[2] == 1 and parts[4] else None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@functools.cache
def _nobodys() -> str:
    """Return what the password of somebody who is no user is compared with."""
    return _hash(secrets.token_hex(16))
