"""The page on live values follows the models."""

from pathlib import Path

from upperbound.views.live_payload import RunUpdateMessage
from upperbound.views.live_reference import reference_page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "live.md"


def test_the_page_is_the_one_the_models_make() -> None:
    command = "python -m upperbound.views.live_reference > docs/reference/live.md"
    assert PAGE.read_text("utf-8") == reference_page(), f"run: {command}"


def test_every_object_of_the_message_is_described_with_all_its_keys() -> None:
    page = reference_page()
    for name, definition in RunUpdateMessage.model_json_schema(mode="serialization")["$defs"].items():
        if "properties" in definition:
            assert definition.get("description"), name
            assert all(f"| `{key}` |" in page for key in definition["properties"]), name
