"""What a user means by the name of a scenario: a file, a template of the store, or a built-in scenario."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from upperbound.cli.settings import Settings
from upperbound.errors import ScenarioError, TemplateNotFound
from upperbound.scenario.loader import LoadedScenario, builtin_names, load_scenario, parse_scenario
from upperbound.scenario.yaml_text import scenario_yaml
from upperbound.store.address import parse_store_url
from upperbound.store.engine import open_store
from upperbound.store.templates import StoredScenario, TemplateRef, TemplateRow, similar

if TYPE_CHECKING:
    from upperbound.store.engine import Store

FILE_SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class FoundScenario:
    """A scenario, and where it comes from."""

    loaded: LoadedScenario
    template: TemplateRef | None = None
    """None for a file and for a built-in scenario."""


def find_scenario(name: str, overrides: Sequence[str], settings: Settings) -> FoundScenario:
    """Return the scenario of this name: a file goes first, then a template or a built-in scenario.

    A template may be named by its id as well. The store is asked only when there is no such file.

    Raises:
        ScenarioError: there is none, there are two, or it is wrong; it carries every problem found.
        StoreError: the store cannot be asked.
    """
    if Path(name).is_file() or name.endswith(FILE_SUFFIXES):
        return FoundScenario(load_scenario(name, overrides))
    with existing_store(settings) as store:
        try:
            template = choose(store, name)
        except ScenarioError:
            if Path(name).exists():
                # A folder, say: what is there and cannot be read is more likely to have been meant.
                return FoundScenario(load_scenario(name, overrides))
            raise
        if store is None or template is None:
            return FoundScenario(load_scenario(name, overrides))
        stored = store.templates.version(template.template_id)
    return FoundScenario(load_stored(stored, overrides), TemplateRef(template.template_id, stored.version))


def choose(store: "Store | None", name: str) -> TemplateRow | None:
    """Return the template of this name or id, and None when it is a built-in scenario that is called so.

    Raises:
        ScenarioError: neither is there, or both are.
    """
    template = None if store is None else _find_template(store, name)
    builtin = name in builtin_names()
    if template is None and not builtin:
        raise ScenarioError(
            f"there is no scenario file, template or built-in scenario {name!r}", hint=_hint(store, name)
        )
    if template is not None and builtin:
        raise ScenarioError(
            f"{name!r} is both a built-in scenario and the template {template.template_id}",
            hint="name the template by its id, or give it another name: "
            f"`upperbound template rename {template.template_id} NEW`",
        )
    return template


def load_stored(stored: StoredScenario, overrides: Sequence[str] = ()) -> LoadedScenario:
    """Check a stored scenario as a file is checked, by the rules of this version of Upperbound.

    Raises:
        ScenarioError: it is wrong; it carries every problem found.
    """
    source = f"template {stored.document.get('name')}, version {stored.version}"
    return parse_scenario(scenario_yaml(stored.document), overrides, source=source)


def _find_template(store: "Store", name_or_id: str) -> TemplateRow | None:
    """Return the template of this name or id; None when there is none."""
    try:
        return store.templates.find(name_or_id)
    except TemplateNotFound:
        return None


@contextmanager
def existing_store(settings: Settings) -> "Iterator[Store | None]":
    """Lend the store; None when it is a file that nobody has made yet, and asking is no reason to make it."""
    path = parse_store_url(settings.store_url).path
    if path is not None and not path.exists():
        yield None
        return
    with open_store(settings.store_url) as store:
        yield store


def _hint(store: "Store | None", name: str) -> str:
    """Return what may have been meant."""
    names = builtin_names()
    if store is not None:
        names += [template.name for template in store.templates.search(limit=1_000).templates]
    if near := similar(name, names):
        return f"did you mean {' or '.join(map(repr, near))}?"
    return "`upperbound template list` shows templates and built-in scenarios"
