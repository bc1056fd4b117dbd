"""Sessions of the emulator, seen through the real connector."""

from tests.emulators.handle import SnowflakeDatabase


def test_a_session_is_told_who_and_where_it_is(snowflake: SnowflakeDatabase) -> None:
    with snowflake.connect() as first, snowflake.connect() as second:
        told = "SELECT CURRENT_USER(), CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_WAREHOUSE(), CURRENT_SESSION()"
        row = first.cursor().execute(told).fetchone()
        assert row == ("TESTER", snowflake.name, "PUBLIC", "COMPUTE_WH", str(first.session_id))
        assert first.session_id != second.session_id
