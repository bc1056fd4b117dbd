"""Templates and catalogs over HTTP."""

from typing import Any

import pytest
from tests.integration.api.serving import Serving

from upperbound.scenario.loader import builtin_names


def made(server: Serving, name: str = "orders", **changes: Any) -> Any:
    """Keep a scenario and return what was answered."""
    answer = server.http.post("/api/templates", json={"scenario": server.scenario() | {"name": name} | changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_template_lives_through_its_versions(server: Serving) -> None:
    first = made(server)
    path = f"/api/templates/{first['template_id']}"
    detail = server.get(path)
    assert (detail["name"], detail["version"], detail["shown_version"]) == ("orders", 1, 1)
    assert "kind: POINT_LOOKUP" in detail["yaml"]
    changed = detail["scenario"] | {"load": detail["scenario"]["load"] | {"duration_seconds": 9}}
    body = {"scenario": changed, "base_version": 1, "note": "longer"}
    saved = server.http.put(path, json=body)
    assert (saved.status_code, saved.json()["done"], saved.json()["version"]) == (200, "saved", 2)
    stale = server.http.put(path, json=body | {"scenario": detail["scenario"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "template_conflict")
    assert server.http.put(path, json=body | {"base_version": 2}).json()["done"] == "unchanged"
    assert [version["note"] for version in server.get(f"{path}/versions")] == ["longer", ""]
    assert server.get(path, version=1)["scenario"]["load"]["duration_seconds"] == 2
    assert server.http.get(path, params={"version": 9}).status_code == 404
    assert server.http.post(f"{path}/rename", json={"name": "orders again"}).json()["name"] == "orders again"
    tagged = server.http.post(f"{path}/tags", json={"tags": {"team": None, "stage": "draft"}}).json()
    assert (tagged["tags"], tagged["version"]) == ({"stage": "draft"}, 4)
    assert server.http.delete(path).status_code == 204
    assert server.http.get(path).status_code == 404


def test_what_is_exported_is_the_same_when_it_is_imported(server: Serving) -> None:
    path = f"/api/templates/{made(server)['template_id']}"
    exported = server.http.get(f"{path}/export")
    assert exported.headers["content-type"] == "application/yaml"
    again = server.http.post("/api/templates/import", content=exported.content, headers=exported.headers)
    assert (again.status_code, again.json()["done"]) == (200, "unchanged")
    other = exported.text.replace("name: orders", "name: others").encode()
    new = server.http.post("/api/templates/import", content=other, headers={"content-type": "text/yaml"})
    assert (new.status_code, new.json()["done"], new.json()["name"]) == (201, "made", "others")


def test_templates_and_built_in_scenarios_are_found_together(server: Serving) -> None:
    made(server)
    everything = server.get("/api/templates", page_size=500)
    assert [entry["name"] for entry in everything["items"]] == ["orders", *builtin_names()]
    assert [entry["name"] for entry in server.get("/api/templates", search="orders team")["items"]] == ["orders"]
    assert server.get("/api/templates", tag=["team=data"])["total"] == 1
    assert server.get("/api/templates", tag=["team"])["total"] == 1
    assert server.get("/api/templates", tag=["team=ops"])["total"] == 0
    second = server.get("/api/templates", page=2, page_size=4)
    assert [entry["name"] for entry in second["items"]] == builtin_names()[3:7]


def test_a_built_in_scenario_can_be_read_and_copied_and_not_changed(server: Serving) -> None:
    demo = server.get("/api/templates/demo")
    assert (demo["built_in"], demo["template_id"], demo["version"]) == (True, None, None)
    assert server.get("/api/templates/demo/versions") == []
    for answer in (
        server.http.delete("/api/templates/demo"),
        server.http.post("/api/templates/demo/rename", json={"name": "mine"}),
        server.http.put("/api/templates/demo", json={"scenario": demo["scenario"], "base_version": 1}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "template_conflict")
    copied = server.http.post("/api/templates/demo/duplicate", json={"name": "my demo"})
    assert copied.status_code == 201
    assert server.get(copied.headers["location"])["scenario"]["target"]["kind"] == "embedded"
    assert server.http.post("/api/templates/demo/duplicate", json={"name": "my demo"}).status_code == 409


def test_a_scenario_is_checked_without_being_kept(server: Serving) -> None:
    right = server.http.post("/api/templates/validate", json={"scenario": server.scenario()}).json()
    assert (right["valid"], right["problems"]) == (True, [])
    assert (right["plan"]["workers"], right["plan"]["total_threads"], right["plan"]["total_seconds"]) == (2, 6, 2)
    wrong = server.http.post("/api/templates/validate", json={"scenario": "name: x\nload: {threads: 0}\n"}).json()
    assert (wrong["valid"], wrong["scenario"], wrong["plan"]) == (False, None, None)
    assert {problem["where"] for problem in wrong["problems"]} >= {"target", "workload", "load.threads"}
    used = server.http.post("/api/templates/demo/use", json={"overrides": ["load.duration_seconds=7"]}).json()
    assert used["plan"]["duration_seconds"] == 7
    refused = server.http.post("/api/templates/demo/use", json={"overrides": ["load.duration=7"]})
    assert (refused.status_code, refused.json()["problems"][0]["place"]) == (422, "--set")
    assert server.get("/api/templates", search="over HTTP")["total"] == 0


def test_a_run_says_which_version_it_was_made_of(server: Serving) -> None:
    template = made(server)
    body = {"credentials": server.credentials, "overrides": ["load.duration_seconds=1"]}
    answer = server.http.post(f"/api/tests/from-template/{template['template_id']}", json=body)
    assert answer.status_code == 201, answer.text
    run = server.get(f"/api/tests/{answer.json()['run_id']}")
    assert run["template"] == {"template_id": template["template_id"], "version": 1}
    assert [one["run_id"] for one in server.get("/api/tests", template_id=template["template_id"])["items"]] == [
        run["run_id"]
    ]
    by_name = server.http.post("/api/tests/from-template/orders", json=body)
    assert by_name.status_code == 201
    assert server.http.post("/api/tests/from-template/nothing").json()["code"] == "template_not_found"


def asked(server: Serving, **more: Any) -> dict[str, Any]:
    return {"url": server.target_url, "credentials": server.credentials, **more}


def test_a_catalog_is_listed_from_databases_to_columns(server: Serving) -> None:
    name = server.target_url.rpartition("/")[2]
    databases = server.http.post("/api/catalog/databases", json=asked(server, search=name)).json()
    assert [(entry["name"], entry["current"]) for entry in databases["items"]] == [(name, True)]
    schemas = server.http.post("/api/catalog/schemas", json=asked(server)).json()
    assert "public" in {entry["name"] for entry in schemas["items"]}
    objects = server.http.post("/api/catalog/objects", json=asked(server, schema="public")).json()
    assert [entry["quoted"] for entry in objects["items"]] == ["public.orders"]
    first = server.http.post("/api/catalog/columns", json=asked(server, table="public.orders", limit=2)).json()
    rest = server.http.post(
        "/api/catalog/columns", json=asked(server, table="public.orders", after=first["next"])
    ).json()
    names = [column["name"] for column in [*first["items"], *rest["items"]]]
    assert names == [column["name"] for column in first["table"]["columns"]]
    found = server.http.post("/api/catalog/postgres/capabilities", json=asked(server)).json()
    assert found["database"] == name
    assert found["connections"]["max_connections"] > 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "configuration_invalid"),
        ({"url": "postgresql://x@127.0.0.1:1/x", "template_id": "demo"}, 422, "configuration_invalid"),
        ({"template_id": "demo"}, 422, "configuration_invalid"),
        ({"template_id": "nothing"}, 404, "template_not_found"),
        ({"url": "mysql://127.0.0.1/x"}, 422, "configuration_invalid"),
        ({"url": "postgresql://x@127.0.0.1:1/x"}, 424, "target_unreachable"),
    ],
)
def test_a_catalog_that_cannot_be_read(server: Serving, body: dict[str, str], status: int, code: str) -> None:
    answer = server.http.post("/api/catalog/schemas", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_scenario_is_generated_for_a_table_and_can_be_kept_and_run(server: Serving) -> None:
    body = asked(server, table="public.orders", preset="READ_HEAVY")
    generated = server.http.post("/api/templates/generate", json=body).json()
    assert generated["yaml"].startswith("# Generated for public.orders")
    kept = server.http.post("/api/templates", json={"scenario": generated["yaml"]})
    assert kept.status_code == 201, kept.text
    answer = server.http.post(
        f"/api/tests/from-template/{kept.json()['template_id']}", json={"credentials": server.credentials}
    )
    assert answer.status_code == 201, answer.text
    missing = server.http.post("/api/templates/generate", json=asked(server, table="public.nothing"))
    assert (missing.status_code, missing.json()["code"]) == (422, "target_mismatch")


def test_value_pools_are_prepared_for_a_template(server: Serving) -> None:
    template = made(server)
    path = f"/api/templates/{template['template_id']}/pools"
    before = server.get(path)
    assert (before["needed"], before["servers"]) == (["id"], [])
    answer = server.http.post(path, json={"credentials": server.credentials})
    assert answer.status_code == 200, answer.text
    [prepared] = answer.json()["servers"]
    assert [(pool["column"], pool["prepared"]) for pool in prepared["pools"]] == [("id", True)]
    assert prepared["missing"] == []
    assert server.get(path) == answer.json()
    refused = server.http.post("/api/templates/demo/pools")
    assert (refused.status_code, refused.json()["code"]) == (409, "template_conflict")
    copied = server.http.post("/api/templates/demo/duplicate", json={"name": "mine"}).json()["template_id"]
    embedded = server.http.post(f"/api/templates/{copied}/pools")
    assert (embedded.status_code, embedded.json()["code"]) == (422, "configuration_invalid")
