"""What belongs to a run can be found by its id, and goes when the run is deleted."""

from upperbound.store import history
from upperbound.store.tables import CONTROL_TABLES, RESULTS_TABLES, run_status


def test_a_run_that_is_deleted_leaves_nothing_in_any_table() -> None:
    of_a_run = {table.name for table in RESULTS_TABLES if "run_id" in table.c}
    assert {table.name for table in history._OF_A_RUN} == of_a_run


def test_control_tables_follow_their_run_by_themselves() -> None:
    for table in CONTROL_TABLES:
        if table is not run_status:
            (key,) = table.c.run_id.foreign_keys
            assert (key.column, key.ondelete) == (run_status.c.run_id, "CASCADE")
