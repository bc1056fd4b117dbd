"""The page of states in the documentation is that of the transition tables."""

from pathlib import Path

from upperbound.domain.diagram import states_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "states.md"


def test_the_page_of_states_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == states_page(), (
        "python -m upperbound.domain.diagram > docs/reference/states.md"
    )
