"""Users are kept by a command that neither shows nor takes passwords in its arguments."""

import io
from pathlib import Path

import pytest

from upperbound.api.access.users import UsersFile
from upperbound.cli.app import main


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "users"
    monkeypatch.setenv("UPPERBOUND_USERS_FILE", str(path))
    return path


def test_users_come_and_go(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ada", "bob"):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"the password of {name}\n"))
        assert main(["users", "add", name]) == 0
    assert UsersFile(file).knows("ada", "the password of ada")
    assert main(["users", "remove", "bob"]) == 0
    assert main(["users", "list"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "ada"
    assert "password of" not in out + err
    assert main(["users", "remove", "bob"]) == 2


def test_a_short_password_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert main(["users", "add", "ada"]) == 2
    err = capsys.readouterr().err
    assert "too short" in err
    assert "secret" not in err
    assert not file.exists()


def test_no_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("UPPERBOUND_USERS_FILE", raising=False)
    assert main(["users", "list"]) == 2
    assert "set UPPERBOUND_USERS_FILE" in capsys.readouterr().err
