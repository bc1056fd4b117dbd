"""A scenario that is being written: what has been typed so far, and what is wrong with it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from upperbound.errors import Problem, ScenarioError
from upperbound.scenario.kinds import LoadMode, OperationKind, Preset, ScalingMode
from upperbound.scenario.loader import LoadedScenario, parse_scenario
from upperbound.scenario.loads import ConcurrencyLoad, FindMaxLoad, QpsLoad
from upperbound.scenario.model import Guardrails, Scenario
from upperbound.scenario.presets import fill_weights
from upperbound.scenario.scaling import AutoScaling, BoundedScaling, FixedScaling
from upperbound.scenario.sections import keys_of
from upperbound.scenario.targets import EmbeddedTarget, PostgresTarget, SnowflakeTarget

HUNDRED: Final = Decimal(100)
_MODELS: Final[dict[str, dict[str, Any]]] = {
    "target": {"postgres": PostgresTarget, "embedded": EmbeddedTarget, "snowflake": SnowflakeTarget},
    "load": {
        LoadMode.CONCURRENCY.value: ConcurrencyLoad,
        LoadMode.QPS.value: QpsLoad,
        LoadMode.FIND_MAX_CONCURRENCY.value: FindMaxLoad,
    },
    "scaling": {
        ScalingMode.AUTO.value: AutoScaling,
        ScalingMode.BOUNDED.value: BoundedScaling,
        ScalingMode.FIXED.value: FixedScaling,
    },
}
"""Blocks of which one form or another is written, by the value of the key that tells."""
_TELLS: Final = {"target": "kind", "load": "mode", "scaling": "mode"}
_UNSHOWN: Final = {"scaling": ("max_workers", "max_threads")}
"""Keys that a form accepts and the page does not show for it: FIXED and AUTO have no bounds."""
_SEARCH: Final = LoadMode.FIND_MAX_CONCURRENCY.value
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+")


@dataclass(frozen=True)
class Verdict:
    """What a draft comes to."""

    loaded: LoadedScenario | None
    """The scenario; None when something is wrong."""
    problems: tuple[Problem, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and yet likely a mistake."""
        return self.loaded.warnings if self.loaded else ()


class Draft:
    """Everything that was typed, by the path of its field; a form that is left and chosen again has kept its values."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Begin with the JSON form of a scenario, complete or not."""
        self._typed: dict[str, Any] = json.loads(json.dumps(document))
        for block in ("target", "load", "scaling", "workload", "tags"):
            self._typed.setdefault(block, {})
        self.operations: list[dict[str, Any]] = self._typed["workload"].setdefault("operations", [])
        self.guarded: bool = bool(self._typed.get("guardrails"))
        if not self._typed.get("guardrails"):
            self._typed["guardrails"] = Guardrails().model_dump(mode="json")
        self._typed["slo"] = self._typed.get("slo") or {}
        self._other_duration: Any = None
        """How long a search may take while another mode is chosen, and how long is measured while a search is."""

    def get(self, path: str) -> Any:
        """Return what was typed for a path such as ``workload.operations.0.sql``; None for nothing."""
        found: Any = self._typed
        for step in path.split("."):
            if isinstance(found, list):
                found = found[int(step)] if step.isdecimal() and int(step) < len(found) else None
            elif isinstance(found, dict):
                found = found.get(step)
            else:
                return None
        return found

    def set(self, path: str, value: Any) -> None:
        """Keep what was typed; None takes it away."""
        if path == "load.mode" and (value == _SEARCH) != (self.load_mode == _SEARCH):
            load = self._typed["load"]
            self._other_duration, load["duration_seconds"] = load.get("duration_seconds"), self._other_duration
        *above, last = path.split(".")
        found: Any = self._typed
        for step in above:
            if isinstance(found, list):
                found = found[int(step)]
            else:
                if found.get(step) is None:
                    found[step] = {}
                found = found[step]
        if value is None:
            found.pop(last, None)
        else:
            found[last] = value

    @property
    def load_mode(self) -> str:
        """The load mode that is chosen."""
        return str(self.get("load.mode") or LoadMode.CONCURRENCY.value)

    @property
    def scaling_mode(self) -> str:
        """The scaling mode that is chosen."""
        return str(self.get("scaling.mode") or ScalingMode.AUTO.value)

    @property
    def guardrails_apply(self) -> bool:
        """Whether limits on the workers may be set: where their number may change."""
        return self.scaling_mode != ScalingMode.FIXED.value

    def document(self) -> dict[str, Any]:
        """Return the scenario as far as it is written: of each block the form that is chosen."""
        made: dict[str, Any] = {"name": self._typed.get("name") or ""}
        for block in ("target", "load", "scaling"):
            made[block] = self._block(block)
        if self.guarded and self.guardrails_apply:
            made["guardrails"] = _without_empty(self._typed["guardrails"])
        if self._typed.get("on_worker_loss"):
            made["on_worker_loss"] = self._typed["on_worker_loss"]
        workload = _without_empty(self._typed["workload"])
        made["workload"] = {**workload, "operations": [_operation(one) for one in self.operations]}
        if slo := _without_empty(self._typed["slo"]):
            made["slo"] = slo
        if self._typed["tags"]:
            made["tags"] = dict(self._typed["tags"])
        return made

    def judge(self) -> Verdict:
        """Return the scenario that the draft makes, or everything that is wrong with it."""
        try:
            return Verdict(parse_scenario(json.dumps(self.document(), ensure_ascii=False), source="the template"))
        except ScenarioError as error:
            return Verdict(None, error.problems or (Problem("", error.message, error.hint),))

    # Operations -------------------------------------------------------------------------------------------------

    @property
    def weight(self) -> Decimal | None:
        """The sum of all weights; None when one is no number."""
        total = Decimal(0)
        for operation in self.operations:
            try:
                total += Decimal(str(operation.get("weight_pct") or 0))
            except InvalidOperation:
                return None
        return total

    def add_operation(self, kind: OperationKind) -> None:
        """Add an operation with what is left of the weight."""
        weight = self.weight
        left = max(Decimal(0), HUNDRED - weight) if weight is not None else Decimal(0)
        self.operations.append({"kind": kind.value, "weight_pct": float(left), "sql": "", "params": []})

    def apply_preset(self, preset: Preset) -> None:
        """Let a preset give every operation its weight anew; CUSTOM leaves them as they are."""
        self.set("workload.preset", preset.value)
        if preset is Preset.CUSTOM:
            return
        unweighted = [{**one, "weight_pct": None} for one in self.operations]
        filled = fill_weights({"preset": preset.value, "operations": unweighted})["operations"]
        for operation, weighted in zip(self.operations, filled, strict=True):
            if weighted.get("weight_pct") is not None:
                operation["weight_pct"] = float(weighted["weight_pct"])

    def replace_operations(self, operations: Iterable[Mapping[str, Any]]) -> None:
        """Have these operations and no others."""
        self.operations[:] = [dict(one) for one in operations]

    def _block(self, name: str) -> dict[str, Any]:
        typed, tell = self._typed[name], _TELLS[name]
        model = _MODELS[name].get(str(typed.get(tell)))
        if model is None:
            return _without_empty(typed)
        hidden = _UNSHOWN.get(name, ()) if typed.get(tell) != ScalingMode.BOUNDED.value else ()
        kept = {key: value for key, value in typed.items() if key in keys_of(model) and key not in hidden}
        return _without_empty(kept)


def draft_of(scenario: Scenario | Mapping[str, Any]) -> Draft:
    """Return a draft that begins with a scenario."""
    return Draft(scenario.model_dump(mode="json") if isinstance(scenario, Scenario) else scenario)


def new_draft() -> Draft:
    """Return a draft for somebody who begins with nothing: a small closed loop on a server of theirs."""
    return Draft(
        {
            "name": "",
            "target": {"kind": "postgres", "url": "postgresql://", "rows": 100_000},
            "load": {"mode": "CONCURRENCY", "threads": 8, "warmup_seconds": 5, "duration_seconds": 60},
            "scaling": {"mode": "AUTO"},
            "workload": {"preset": "CUSTOM", "operations": []},
        }
    )


def number_or_text(text: str) -> Any:
    """Return a number as it was typed, other text as it is for the checks to name, and None for nothing."""
    text = text.strip()
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def problem_for(path: str, problems: Sequence[Problem], paths: Iterable[str]) -> str | None:
    """Return what is wrong with the field of ``path``: problems of its place, or of places below it without a field.

    ``paths`` are those of all fields.
    """
    others = set(paths) - {path}
    told = []
    for problem in problems:
        where = problem.where
        if where == path or (
            where.startswith(f"{path}.")
            and not any(_covers(other, where) and len(other) > len(path) for other in others)
        ):
            told.append(str(Problem("", problem.message, problem.hint)))
    return " · ".join(told) or None


def _covers(path: str, where: str) -> bool:
    return where == path or where.startswith(f"{path}.")


def without_field(problems: Sequence[Problem], paths: Iterable[str]) -> list[Problem]:
    """Return the problems that no field shows."""
    known = list(paths)
    return [problem for problem in problems if not any(_covers(path, problem.where) for path in known)]


def _without_empty(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if value is not None and value != "" and value != []}


def _operation(typed: Mapping[str, Any]) -> dict[str, Any]:
    made = _without_empty(typed)
    if made.get("kind") != OperationKind.GENERIC_SQL.value:
        made.pop("operation_type", None)
    if not made.get("statements"):
        made.pop("statements", None)
        made.pop("autocommit", None)
        made.pop("isolation", None)
        made.setdefault("sql", "")
    else:
        made.pop("sql", None)
    if not made.get("retry"):
        made.pop("retry", None)
    slo = _without_empty(made.get("slo") or {})
    made.pop("slo", None)
    return {**made, "slo": slo} if slo else made
