"""Templates and built-in scenarios under one roof: found by name or id, read as text, copied and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from upperbound.errors import ScenarioError, TemplateNotFound
from upperbound.scenario.loader import LoadedScenario, builtin_names, builtin_text, load_scenario, parse_scenario
from upperbound.scenario.model import Scenario
from upperbound.scenario.yaml_text import scenario_yaml
from upperbound.store.templates import StoredScenario, TemplateRef, TemplateRepository, TemplateRow, similar


@dataclass(frozen=True)
class FoundScenario:
    """A scenario, and where it comes from."""

    loaded: LoadedScenario
    template: TemplateRef | None = None
    """None for a file and for a built-in scenario."""


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


@dataclass(frozen=True)
class Kept:
    """A template that a scenario was kept in."""

    template: TemplateRow
    done: Literal["made", "saved", "unchanged"]
    """A new template, a new version of one, or neither as the scenario is the newest one."""


def choose(templates: TemplateRepository | None, name: str) -> TemplateRow | None:
    """Return the template of this name or id, and None when it is a built-in scenario that is called so.

    Without ``templates`` there are the built-in scenarios alone.

    Raises:
        ScenarioError: neither is there, or both are.
    """
    template = None if templates is None else _find_template(templates, name)
    builtin = name in builtin_names()
    if template is None and not builtin:
        raise ScenarioError(
            f"there is no scenario file, template or built-in scenario {name!r}", hint=_hint(templates, name)
        )
    if template is not None and builtin:
        raise ScenarioError(
            f"{name!r} is both a built-in scenario and the template {template.template_id}",
            hint="name the template by its id, or give it another name: "
            f"`upperbound template rename {template.template_id} NEW`",
        )
    return template


def known(templates: TemplateRepository, name: str) -> TemplateRow | None:
    """Return what :func:`choose` returns.

    Raises :class:`TemplateNotFound` where that raises :class:`ScenarioError`.
    """
    try:
        return choose(templates, name)
    except ScenarioError as error:
        raise TemplateNotFound(error.message, hint=error.hint) from None


def find_stored(
    templates: TemplateRepository, name: str, overrides: Sequence[str] = (), version: int | None = None
) -> FoundScenario:
    """Return a version of a template, the newest when no number is given, or a built-in scenario, checked anew.

    Raises:
        ScenarioError: nothing is called so, or two things are, or it is wrong; it carries every problem found.
        TemplateNotFound: there is no such version.
    """
    template = choose(templates, name)
    if template is None:
        _refuse_version(name, version)
        return FoundScenario(parse_scenario(builtin_text(name), overrides, source=f"built-in scenario {name}"))
    stored = templates.version(template.template_id, version)
    return FoundScenario(load_stored(stored, overrides), TemplateRef(template.template_id, stored.version))


def load_stored(stored: StoredScenario, overrides: Sequence[str] = ()) -> LoadedScenario:
    """Check a stored scenario as a file is checked, by the rules of this version of Upperbound.

    Raises:
        ScenarioError: it is wrong; it carries every problem found.
    """
    source = f"template {stored.document.get('name')}, version {stored.version}"
    return parse_scenario(scenario_yaml(stored.document), overrides, source=source)


def text_of(templates: TemplateRepository, name: str, version: int | None = None) -> TemplateText:
    """Return a version of a template, the newest when no number is given, or a built-in scenario as it was written.

    Raises:
        ScenarioError: nothing is called so, or two things are.
        TemplateNotFound: there is no such version.
    """
    template = choose(templates, name)
    if template is None:
        _refuse_version(name, version)
        text = builtin_text(name)
        document = parse_scenario(text, source=name).scenario.model_dump(mode="json")
        return TemplateText({"name": name, "built_in": True}, document, text)
    stored = templates.version(template.template_id, version)
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


def duplicate_any(
    templates: TemplateRepository, name: str, new: str, *, saved_by: str, version: int | None = None
) -> TemplateRow:
    """Make a template of a version of another, or of a built-in scenario.

    Raises:
        ScenarioError: nothing is called ``name``, or two things are; or ``new`` is no name.
        TemplateConflict: ``new`` is taken.
    """
    template = choose(templates, name)
    if template is not None:
        return templates.duplicate(template.template_id, new, saved_by=saved_by, version=version)
    _refuse_version(name, version)
    scenario = load_scenario(name).scenario
    renamed = parse_scenario(scenario_yaml({**scenario.model_dump(mode="json"), "name": new}), source=new).scenario
    return templates.create(renamed, saved_by=saved_by, note=f"duplicated from the built-in scenario {name}")


def keep(templates: TemplateRepository, scenario: Scenario, *, saved_by: str, note: str) -> Kept:
    """Make a template of a scenario, or save it as the next version of the one that is called so.

    Raises:
        TemplateConflict: somebody else has saved or made that template in the same moment, or the name is built in.
    """
    present = _find_template(templates, scenario.name)
    if present is None or present.name != scenario.name:
        return Kept(templates.create(scenario, saved_by=saved_by, note=note), "made")
    saved = templates.save(
        present.template_id, scenario, base_version=present.latest_version, saved_by=saved_by, note=note
    )
    return Kept(saved, "unchanged" if saved.latest_version == present.latest_version else "saved")


def _find_template(templates: TemplateRepository, name_or_id: str) -> TemplateRow | None:
    """Return the template of this name or id; None when there is none."""
    try:
        return templates.find(name_or_id)
    except TemplateNotFound:
        return None


def _hint(templates: TemplateRepository | None, name: str) -> str:
    """Return what may have been meant."""
    names = builtin_names()
    if templates is not None:
        names += [template.name for template in templates.search(limit=1_000).templates]
    if near := similar(name, names):
        return f"did you mean {' or '.join(map(repr, near))}?"
    return "`upperbound template list` shows templates and built-in scenarios"


def _refuse_version(name: str, version: int | None) -> None:
    if version is not None:
        raise TemplateNotFound(f"the built-in scenario {name!r} has no versions", hint="leave --version out")


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
