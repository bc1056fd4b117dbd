"""Whether a schema's revision fits is decided from the list of known ones."""

import pytest

from upperbound import __version__
from upperbound.errors import StoreNotMigrated, StoreVersionError
from upperbound.store import migrate
from upperbound.store.address import parse_store_url

ADDRESS = parse_store_url("sqlite:////data/u.db")


def test_the_present_revision_fits() -> None:
    migrate.require_head(migrate.HEAD_REVISION, ADDRESS)


def test_an_older_revision_asks_for_a_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "REVISIONS", ("0001", "0002"))
    monkeypatch.setattr(migrate, "HEAD_REVISION", "0002")
    with pytest.raises(StoreNotMigrated, match="0001") as caught:
        migrate.require_head("0001", ADDRESS)
    assert "needs 0002" in caught.value.message
    assert __version__ in caught.value.message
    assert caught.value.hint == "run `upperbound store init --store sqlite:////data/u.db`"


def test_no_revision_asks_for_a_migration() -> None:
    with pytest.raises(StoreNotMigrated, match="no tables of Upperbound"):
        migrate.require_head(None, ADDRESS)


def test_an_unknown_revision_is_newer() -> None:
    with pytest.raises(StoreVersionError, match="9999") as caught:
        migrate.refuse_newer("9999", ADDRESS)
    assert type(caught.value) is StoreVersionError
