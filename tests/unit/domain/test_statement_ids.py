"""Ids of statements are kept in 16 bytes when they are what Snowflake's are, and are left out otherwise."""

import uuid

import pytest

from upperbound.domain.statement_ids import NO_STATEMENT_ID, pack_statement_id


def test_an_id_is_kept_in_16_bytes() -> None:
    told = "01b2c3d4-0000-1111-2222-333344445555"
    assert uuid.UUID(bytes=pack_statement_id(told)) == uuid.UUID(told)


@pytest.mark.parametrize("told", [None, "", "not an id", "01b2c3d4", "01b2c3d4-0000-1111-2222-33334444555566"])
def test_what_is_no_id_is_none(told: str | None) -> None:
    assert pack_statement_id(told) == NO_STATEMENT_ID
