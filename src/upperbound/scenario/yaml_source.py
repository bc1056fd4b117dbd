"""YAML as a person expects it: version 1.2's few implicit types, no key twice, and the line of every value."""

import itertools
import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from upperbound.errors import Problem
from upperbound.scenario.problem import PlacedProblem

Path = tuple[str | int, ...]
MAX_DEPTH = 40
MAX_NODES = 200_000
CORE_TYPES = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
"""The core schema of YAML 1.2, plus ``_`` between digits. Not in it: on, off, yes, no, dates, and 1:30 for 90."""


@dataclass
class YamlDocument:
    """What a text says, and where."""

    data: Any = None
    """Mappings, lists and scalars."""
    lines: dict[Path, int] = field(default_factory=dict)
    """The line of each value, counted from 1, by its path."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the text as YAML; ``data`` is as complete as that allows."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the types of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    if text == ".nan":
        return math.nan
    return float(text.replace(".inf", "inf"))


for _tag, _pattern, _first in CORE_TYPES:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), [c if c != "\0" else "" for c in _first])
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def parse_yaml(text: str) -> YamlDocument:
    """Read one YAML document; never raises, and never quotes the text in a problem."""
    document = YamlDocument()
    try:
        loader = _Loader(text)
    except yaml.YAMLError:
        document.problems.append(Problem("", "is not text: it holds a character that YAML does not allow"))
        return document
    try:
        root = loader.get_single_node()
        if root is not None:
            document.data = _Reader(loader, document).read(root, (), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fault = error.problem or "it cannot be read"
        if fault.startswith("but "):
            fault = f"{error.context} {fault}"
        message = f"is not valid YAML: {fault}"
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        hint = "text with a colon, #, %, @, { or [ in it may need quotes"
        document.problems.append(PlacedProblem("", message, hint, place=place))
    except yaml.YAMLError:
        document.problems.append(Problem("", "is not text: it holds a character that YAML does not allow"))
    except RecursionError:
        document.problems.append(Problem("", "is too deep or too large, or refers to itself"))
    finally:
        loader.dispose()
    return document


class _Reader:
    """Turns nodes into values, and notes lines and problems in the document."""

    def __init__(self, loader: _Loader, document: YamlDocument) -> None:
        self._loader = loader
        self._document = document
        self._nodes = 0

    def read(self, node: yaml.Node, path: Path, depth: int) -> Any:
        """Return the value of ``node``; its line is that of ``node`` unless its key's was noted before."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise RecursionError
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, place), depth + 1) for place, child in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError):
            self._add("is not a number that can be read", "", node, path)
            return None

    def _read_mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        """Return a mapping with text keys; of a key that is there twice, the first counts."""
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add("a key must be a word", "put {table} and the like into quotes", key_node, path)
                continue
            key = str(key_node.value)
            below = (*path, key)
            if key in values:
                first = self._document.lines[below]
                self._add(f"the key {key!r} is there twice; first in line {first}", "remove one", key_node, below)
                continue
            self._document.lines[below] = key_node.start_mark.line + 1
            values[key] = self.read(value_node, below, depth + 1)
        return values

    def _add(self, message: str, hint: str, node: yaml.Node, path: Path) -> None:
        """Note a problem at ``node``."""
        where = ".".join(map(str, path))
        line = f"line {node.start_mark.line + 1}"
        self._document.problems.append(PlacedProblem(where, message, hint, place=line))


def plain_fault(data: Any) -> str:
    """Say why data that came as JSON could not have been read from YAML; empty when it could."""
    waiting: list[tuple[Any, int]] = [(data, 0)]
    for seen in itertools.count(1):
        if not waiting:
            return ""
        value, depth = waiting.pop()
        if depth > MAX_DEPTH or seen > MAX_NODES:
            return "is too deep or too large"
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and not _is_text(value):
            return "is not text: it holds a character that YAML does not allow"
    raise AssertionError("counting has no end")


def _is_text(value: str) -> bool:
    """Say whether every character is one that a text may have."""
    return yaml.reader.Reader.NON_PRINTABLE.search(value) is None
