"""The reference page and the JSON Schema follow the models."""

from pathlib import Path

from tests.unit.scenario.samples import changed, problems_of

from upperbound.scenario.reference import json_schema, reference_page
from upperbound.scenario.sections import sections
from upperbound.scenario.unsupported import unsupported_names

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "scenario.md"


def test_the_reference_page_is_the_one_the_models_make() -> None:
    command = "python -m upperbound.scenario.reference > docs/reference/scenario.md"
    assert PAGE.read_text("utf-8") == reference_page(), f"run: {command}"


def test_every_key_has_a_meaning() -> None:
    missing = [
        (section.place, name)
        for section in sections()
        for name, field in section.model.model_fields.items()
        if not field.description
    ]
    assert not missing


def test_the_schema_allows_no_other_keys_and_names_what_is_required() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]["Operation"]["required"]) == {"kind"}, "sql or statements"
    assert set(schema["required"]) == {"name", "target", "load", "workload"}
    assert all(
        definition["additionalProperties"] is False
        for definition in schema["$defs"].values()
        if definition["type"] == "object"
    )


def test_everything_the_page_says_is_not_in_this_version_is_refused_as_that() -> None:
    for name in unsupported_names():
        place, _, word = name.replace("workload.operations.*", "workload.operations.0").partition(": ")
        value: object = word or 1
        if ".params.*." in place:
            place, value = "workload.operations.0.params.0", {place.rpartition(".")[2]: 1}
        assert "is not supported by this version" in problems_of(changed({place: value}))[place].message, name
