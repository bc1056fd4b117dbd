"""What a user means by the name of a scenario: a file, a template of the store, or a built-in scenario."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from upperbound.cli.settings import Settings
from upperbound.errors import ScenarioError
from upperbound.scenario.loader import load_scenario
from upperbound.store.address import parse_store_url
from upperbound.store.engine import open_store
from upperbound.store.library import FoundScenario, choose, find_stored

if TYPE_CHECKING:
    from upperbound.store.engine import Store

FILE_SUFFIXES: Final = (".yaml", ".yml", ".json")


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
            template = choose(store.templates if store else None, name)
        except ScenarioError:
            if Path(name).exists():
                # A folder, say: what is there and cannot be read is more likely to have been meant.
                return FoundScenario(load_scenario(name, overrides))
            raise
        if store is None or template is None:
            return FoundScenario(load_scenario(name, overrides))
        return find_stored(store.templates, template.template_id, overrides)


@contextmanager
def existing_store(settings: Settings) -> "Iterator[Store | None]":
    """Lend the store; None when it is a file that nobody has made yet, and asking is no reason to make it."""
    path = parse_store_url(settings.store_url).path
    if path is not None and not path.exists():
        yield None
        return
    with open_store(settings.store_url) as store:
        yield store
