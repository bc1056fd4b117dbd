"""What a run on an emulated Snowflake account needs: a table, a scenario, and the files of its user."""

import re
from typing import Any, Final

import yaml
from tests.acceptance.place import Place
from tests.emulators.handle import WAREHOUSE, SnowflakeDatabase

ROWS: Final = 100
"""Rows of the table ``orders``."""
TAG: Final = re.compile(
    r"upperbound:run_id=(?P<run>[\w-]+):worker=(?P<worker>worker-\d):phase=(?P<phase>WARMUP|RUNNING)"
)
"""The tag of a statement of the load."""


def write_scenario(place: Place, **changes: Any) -> str:
    """Write a scenario of two workers with two threads each; ``changes`` replace its parts."""
    made: dict[str, Any] = {
        "name": "Hybrid reads and writes",
        "target": {
            "kind": "snowflake",
            "connection_name": "bench",
            "warehouse": WAREHOUSE,
            "table": "orders",
            "table_type": "HYBRID",
        },
        "load": {"warmup_seconds": 1, "duration_seconds": 3, "think_time_ms": 50},
        "scaling": {"mode": "FIXED", "min_workers": 2, "min_threads": 2},
        "workload": {
            "seed": 3,
            "operations": [
                {
                    "kind": "POINT_LOOKUP",
                    "weight_pct": 70,
                    "sql": "SELECT * FROM {table} WHERE id = ?",
                    "params": [{"pool": "id"}],
                    "expect": "one",
                },
                {
                    "kind": "UPDATE",
                    "weight_pct": 20,
                    "sql": "UPDATE {table} SET amount = $2 WHERE id = $1",
                    "params": [{"pool": "id"}, {"choice": [1.5, 2.5]}],
                },
                {
                    "kind": "INSERT",
                    "weight_pct": 10,
                    "sql": "INSERT INTO {table} (id, status) VALUES (?, ?)",
                    "params": [{"sequence": {"after": "id"}}, {"text": [3, 8]}],
                },
            ],
        },
    }
    return str(place.write("scenario.yaml", yaml.safe_dump(made | changes, sort_keys=False)))


def account_files(place: Place, snowflake: SnowflakeDatabase) -> dict[str, str | None]:
    """Fill the table, and return the environment of a user whose connections.toml leads to the account."""
    folder = place.work / "snowflake"
    folder.mkdir()
    (folder / "connections.toml").write_text(snowflake.connections_toml("bench"))
    (folder / "connections.toml").chmod(0o600)
    values = ", ".join(f"({number}, 'new', 1.5)" for number in range(1, ROWS + 1))
    snowflake.rows("CREATE HYBRID TABLE orders (id NUMBER(38,0) PRIMARY KEY, status VARCHAR(20), amount NUMBER(12,2))")
    snowflake.rows(f"INSERT INTO orders VALUES {values}")
    return {"SNOWFLAKE_HOME": str(folder)}
