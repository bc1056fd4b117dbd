"""The scenario's models as a list of places, read off the models themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from upperbound.scenario.fields import ScenarioModel
from upperbound.scenario.kinds import LoadMode
from upperbound.scenario.model import Scenario
from upperbound.scenario.params import param_kind

EACH = "*"
"""Stands for any index of a list."""
TAG_KEYS: dict[tuple[str | int, ...], str] = {("target",): "kind", ("load",): "mode", ("scaling",): "mode"}
"""The places with several models, each with the key that picks one; parameters are picked by the source they have."""
TAGS_UNSAID: dict[tuple[str, ...], str] = {("load",): LoadMode.CONCURRENCY.value}
"""What picks a model where nothing is said."""


@dataclass(frozen=True)
class Section:
    """One model at its place."""

    place: tuple[str, ...]
    """The keys that lead to it, with :data:`EACH` for an index."""
    model: type[ScenarioModel]
    """The model of what stands there."""
    tag: str | None
    """What tells it from the other models at the same place; None where there is but one."""


def sections() -> list[Section]:
    """Return every place that holds a mapping with fixed keys, parents before children, those of one place together."""
    found = list(dict.fromkeys(_walk(Scenario, ())))
    places = [section.place for section in found]
    return sorted(found, key=lambda section: places.index(section.place))


def is_tagged(place: tuple[str, ...]) -> bool:
    """Tell whether several models are possible at a place, one of which a key picks."""
    return place in TAG_KEYS or is_source(place)


def is_source(place: tuple[str, ...]) -> bool:
    """Tell whether the source of a parameter's values stands at a place: a parameter, or what a list is made of."""
    return place[-2:] == ("params", EACH) or place[-3:] == ("params", EACH, "list")


def keys_at(place: tuple[str, ...], tag: str | None) -> list[str]:
    """Return the keys known at a place, for the model picked by ``tag`` if there are several."""
    return [
        name
        for section in sections()
        if section.place == place and section.tag in (None, tag)
        for name in keys_of(section.model)
    ]


def tags_at(place: tuple[str, ...]) -> list[str]:
    """Return the words that pick a model at a place; none where there is but one."""
    return [section.tag for section in sections() if section.place == place and section.tag is not None]


def homes_of(key: str) -> list[tuple[str, ...]]:
    """Return the places that know a key."""
    places = [section.place for section in sections() if key in keys_of(section.model)]
    return list(dict.fromkeys(places))


def keys_of(model: type[ScenarioModel]) -> list[str]:
    """Return the keys of a model as they are written in a scenario."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _walk(model: type[ScenarioModel], place: tuple[str, ...]) -> Iterator[Section]:
    """Yield the section of ``model`` and those below it."""
    yield Section(place, model, _tag(model) if is_tagged(place) else None)
    for name, field in model.model_fields.items():
        for child, below in _models_in(field.annotation, (*place, name)):
            yield from _walk(child, below)


def _models_in(annotation: Any, place: tuple[str, ...]) -> Iterator[tuple[type[ScenarioModel], tuple[str, ...]]]:
    """Yield the models a type annotation is made of, each with its place."""
    if isinstance(annotation, type) and issubclass(annotation, ScenarioModel):
        yield annotation, place
    elif getattr(annotation, "__origin__", None) is tuple:
        yield from _models_in(get_args(annotation)[0], (*place, EACH))
    else:
        for part in get_args(annotation):
            yield from _models_in(part, place)


def _tag(model: type[ScenarioModel]) -> str:
    """Return the word in a scenario that picks this model: its ``kind`` or ``mode``, or its only required key."""
    if kind := param_kind(model.model_construct()):
        return kind
    return str(next(model.model_fields[key].default for key in ("kind", "mode") if key in model.model_fields))
