"""The catalog of a template's Snowflake account over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from tests.emulators.handle import PASSWORD, SnowflakeDatabase
from tests.integration.api.serving import Serving

OPERATION = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT * FROM {table} WHERE id = 1", "params": []}


@pytest.fixture
def connections(snowflake: SnowflakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's connections.toml, whose entry ``bench`` leads to an account with a table and a schema in quotes."""
    file = tmp_path / "connections.toml"
    file.write_text(snowflake.connections_toml("bench"))
    file.chmod(0o600)
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    snowflake.rows("CREATE HYBRID TABLE orders (id NUMBER(38,0) NOT NULL PRIMARY KEY, status VARCHAR(20))")
    snowflake.rows("INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
    snowflake.rows('CREATE SCHEMA "other-one"')
    snowflake.rows('CREATE TABLE "other-one".plain (id NUMBER(38,0))')
    return file


@pytest.fixture
def template(server: Serving, connections: Path) -> str:
    scenario = {
        "name": "on Snowflake",
        "target": {"kind": "snowflake", "connection_name": "bench", "table": "orders", "table_type": "HYBRID"},
        "load": {"threads": 1, "duration_seconds": 1},
        "workload": {"operations": [OPERATION]},
    }
    answer = server.http.post("/api/templates", json={"scenario": scenario})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["template_id"])


def ask(server: Serving, path: str, **body: Any) -> Any:
    answer = server.http.post(f"/api/{path}", json=body)
    assert answer.status_code == 200, answer.text
    assert PASSWORD not in answer.text
    return answer.json()


def test_an_account_is_listed_from_databases_to_columns(
    server: Serving, snowflake: SnowflakeDatabase, template: str
) -> None:
    found = ask(server, "catalog/databases", template_id=template, search=snowflake.name)
    assert [(entry["name"], entry["current"]) for entry in found["items"]] == [(snowflake.name, True)]
    schemas = ask(server, "catalog/schemas", template_id=template)
    assert {"PUBLIC", "other-one"} <= {entry["name"] for entry in schemas["items"]}
    objects = ask(server, "catalog/objects", template_id=template, schema="public")
    assert [entry["name"] for entry in objects["items"]] == ["ORDERS"], "a name is folded as Snowflake does"
    quoted = ask(server, "catalog/objects", template_id=template, schema='"other-one"')
    assert [entry["name"] for entry in quoted["items"]] == ["PLAIN"]
    columns = ask(server, "catalog/columns", template_id=template)
    assert [column["name"] for column in columns["items"]] == ["ID", "STATUS"], "of the template's own table"


def test_a_scenario_is_generated_for_a_table_and_can_be_kept(server: Serving, template: str) -> None:
    generated = ask(server, "templates/generate", template_id=template)
    assert generated["scenario"]["target"]["connection_name"] == "bench"
    assert generated["scenario"]["target"]["table_type"] == "HYBRID"
    kept = server.http.post("/api/templates", json={"scenario": generated["yaml"]})
    assert kept.status_code == 201, kept.text


def test_a_secret_that_is_given_is_used_for_this_question(
    server: Serving, snowflake: SnowflakeDatabase, template: str, connections: Path
) -> None:
    connections.write_text(snowflake.connections_toml("bench", password="wrong-and-secret"))
    refused = server.http.post("/api/catalog/schemas", json={"template_id": template})
    assert (refused.status_code, refused.json()["code"]) == (424, "target_auth_failed")
    assert "wrong-and-secret" not in refused.text
    found = ask(server, "catalog/schemas", template_id=template, credentials={"password": PASSWORD})
    assert found["items"]


def test_what_only_a_postgresql_server_can_tell_is_refused_with_the_way_to_it(server: Serving, template: str) -> None:
    answer = server.http.post("/api/catalog/postgres/capabilities", json={"template_id": template})
    assert (answer.status_code, answer.json()["code"]) == (422, "configuration_invalid")
    assert "doctor --snowflake" in answer.json()["hint"]


def test_an_entry_that_is_not_there_is_told(server: Serving, template: str, connections: Path) -> None:
    connections.write_text("")
    answer = server.http.post("/api/catalog/schemas", json={"template_id": template})
    assert (answer.status_code, answer.json()["code"]) == (422, "configuration_invalid")
    assert "has no entry 'bench'" in answer.text
