"""Files that a program will read: checked before the work, written as a whole or not at all."""

import contextlib
import os
from pathlib import Path

from upperbound.errors import ConfigurationError


class JsonFile:
    """Where a result goes. The path is checked when this is made, so that a long run is never lost to a typing mistake.

    A regular file is replaced in one step and a link stays a link; a pipe or device is written to as it is.
    """

    def __init__(self, path: Path) -> None:
        """Check that ``path`` can be written.

        Raises:
            ConfigurationError: it cannot; nothing has been changed.
        """
        self._given = path
        self._path = Path(os.path.realpath(path))
        self._draft = self._path.with_name(f".upperbound-{os.getpid()}.draft")
        try:
            self._check()
        except OSError as error:
            raise self._refusal(error.strerror or str(error)) from error

    def _check(self) -> None:
        if self._path.is_dir():
            raise self._refusal("it is a folder")
        if not self._path.parent.is_dir():
            raise self._refusal(f"there is no folder {self._path.parent}")
        if self._is_special():
            if not os.access(self._path, os.W_OK):
                raise self._refusal("no permission")
            return
        self._draft.write_text("", encoding="utf-8")
        self._draft.unlink()

    def write(self, text: str) -> None:
        """Write ``text`` and a line end.

        Raises:
            ConfigurationError: it cannot be written any more (is the disk full?); what was there stays.
        """
        try:
            if self._is_special():
                self._path.write_text(f"{text}\n", encoding="utf-8")
                return
            self._draft.write_text(f"{text}\n", encoding="utf-8")
            self._draft.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._draft.unlink()
            raise self._refusal(error.strerror or str(error)) from error

    def _is_special(self) -> bool:
        return self._path.exists() and not self._path.is_file()

    def _refusal(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self._given} cannot be written: {reason}", hint="choose another path for --json")
