"""Templates as text: what is shown, exported and compared."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upperbound.cli.scenario_source import choose
from upperbound.cli.users import user_name
from upperbound.errors import ConfigurationError, TemplateNotFound
from upperbound.scenario.loader import builtin_text, load_scenario, parse_scenario
from upperbound.scenario.yaml_text import scenario_yaml
from upperbound.store.engine import Store
from upperbound.store.templates import StoredScenario, TemplateRow


@dataclass(frozen=True)
class TemplateText:
    """One version of a template, or a built-in scenario."""

    facts: Mapping[str, Any]
    """What is known of it, as JSON; without the scenario."""
    document: dict[str, Any]
    """The scenario as JSON."""
    yaml: str

    @property
    def head(self) -> str:
        """The facts on a line each."""
        shown = {name.replace("_", " "): value for name, value in self.facts.items() if value not in (None, "")}
        return "\n".join(f"{name:<14} {_word(value)}" for name, value in shown.items())


def text_of(store: Store, name: str, version: int | None = None) -> TemplateText:
    """Return a version of a template, the newest when no number is given, or a built-in scenario as it was written.

    Raises:
        ScenarioError: nothing is called so, or two things are.
        TemplateNotFound: there is no such version.
    """
    template = choose(store, name)
    if template is None:
        _refuse_version(name, version)
        text = builtin_text(name)
        document = parse_scenario(text, source=name).scenario.model_dump(mode="json")
        return TemplateText({"name": name, "built_in": True}, document, text)
    stored = store.templates.version(template.template_id, version)
    facts = {
        "name": stored.document.get("name"),
        "built_in": False,
        "template_id": template.template_id,
        "version": stored.version,
        "latest_version": template.latest_version,
        "saved_by": stored.saved_by,
        "saved_at": stored.saved_at.isoformat(),
        "note": stored.note,
    }
    return TemplateText(facts, stored.document, scenario_yaml(stored.document))


def duplicate_any(store: Store, name: str, new: str, version: int | None = None) -> TemplateRow:
    """Make a template of a version of another, or of a built-in scenario.

    Raises:
        ScenarioError: nothing is called ``name``, or two things are; or ``new`` is no name.
        TemplateConflict: ``new`` is taken.
    """
    template = choose(store, name)
    if template is not None:
        return store.templates.duplicate(template.template_id, new, saved_by=user_name(), version=version)
    _refuse_version(name, version)
    scenario = load_scenario(name).scenario
    renamed = parse_scenario(scenario_yaml({**scenario.model_dump(mode="json"), "name": new}), source=new).scenario
    return store.templates.create(renamed, saved_by=user_name(), note=f"duplicated from the built-in scenario {name}")


def difference(one: StoredScenario, other: StoredScenario) -> str:
    """Return what changes from one version to the other, as a unified diff of their YAML; a sentence for nothing."""
    before, after = (scenario_yaml(stored.document).splitlines(keepends=True) for stored in (one, other))
    from_name, to_name = (f"{stored.document.get('name')}, version {stored.version}" for stored in (one, other))
    said = "".join(difflib.unified_diff(before, after, from_name, to_name))
    return said or f"versions {one.version} and {other.version} are the same\n"


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


def _refuse_version(name: str, version: int | None) -> None:
    if version is not None:
        raise TemplateNotFound(f"the built-in scenario {name!r} has no versions", hint="leave --version out")


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
