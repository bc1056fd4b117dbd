"""A result file is checked before the work and appears as a whole or not at all."""

import os
import threading
from pathlib import Path

import pytest

from upperbound.cli.json_file import JsonFile
from upperbound.errors import ConfigurationError


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    JsonFile(tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


def test_checking_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    JsonFile(path)
    assert path.read_text() == "old"


def test_writing_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    JsonFile(path).write("{}")
    assert path.read_text() == "{}\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    JsonFile(link).write("{}")
    assert link.is_symlink()
    assert real.read_text() == "{}\n"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    JsonFile(pipe).write("{}")
    reader.join(10)
    assert read == ["{}\n"]
    assert pipe.is_fifo()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it is a folder"):
        JsonFile(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        JsonFile(tmp_path / "missing" / "out.json")


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be written"):
        JsonFile(tmp_path / "file" / "out.json")


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        JsonFile(tmp_path / ("x" * 300))


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    file = JsonFile(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        file.write("{}")
    assert list(tmp_path.iterdir()) == [path]
