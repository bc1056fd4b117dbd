"""Templates as text: what is compared and written."""

import difflib
from pathlib import Path

from upperbound.errors import ConfigurationError, ScenarioError
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.yaml_text import scenario_yaml
from upperbound.store.engine import Store
from upperbound.store.library import TemplateText
from upperbound.store.templates import StoredScenario
from upperbound.views.value_pools import TemplatePools, load_template_pools


def difference(one: StoredScenario, other: StoredScenario) -> str:
    """Return what changes from one version to the other, as a unified diff of their YAML; a sentence for nothing."""
    before, after = (scenario_yaml(stored.document).splitlines(keepends=True) for stored in (one, other))
    from_name, to_name = (f"{stored.document.get('name')}, version {stored.version}" for stored in (one, other))
    said = "".join(difflib.unified_diff(before, after, from_name, to_name))
    return said or f"versions {one.version} and {other.version} are the same\n"


def pools_of(store: Store, text: TemplateText) -> TemplatePools | None:
    """Return which value pools are prepared for a version of a template.

    None for a built-in scenario, and for a template that this version of Upperbound does not accept any more.
    """
    template_id = text.facts.get("template_id")
    if template_id is None:
        return None
    try:
        scenario = parse_scenario(text.yaml).scenario
    except ScenarioError:
        return None
    return load_template_pools(store, str(template_id), scenario)


def write_text(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror or error}", hint="choose another path for --output"
        ) from error
