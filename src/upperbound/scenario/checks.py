"""What one key of a scenario says about another: the checks that no single field can make.

They read the plain form (mappings, lists and scalars as they come from YAML) and pass over whatever is malformed,
because that is reported where it stands. So they also run on a scenario with other faults, and a user sees all problems
at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.fields import CENT, HUNDRED
from upperbound.scenario.kinds import TYPE_OF_KIND, OperationKind, OperationType
from upperbound.scenario.load_checks import check_load
from upperbound.scenario.param_checks import check_sources
from upperbound.scenario.plain import entries, mapping
from upperbound.scenario.presets import read_weight
from upperbound.scenario.snowflake_checks import check_for_snowflake, is_snowflake
from upperbound.scenario.statement_checks import check_parameters, check_statements
from upperbound.scenario.transaction_checks import check_form

_OPERATIONS = "workload.operations"


def find_problems(scenario: Any) -> list[Problem]:
    """Return every contradiction in the plain form of a scenario, in the order of its parts."""
    if not isinstance(scenario, Mapping):
        return []
    target = scenario.get("target")
    table, snowflake = _has_table(target), is_snowflake(target)
    operations = [
        (place, operation)
        for place, operation in enumerate(entries(mapping(scenario.get("workload")).get("operations")))
        if isinstance(operation, Mapping)
    ]
    problems = [*check_load(scenario), *_check_weights(operations), *_check_labels(operations)]
    for place, operation in operations:
        where = f"{_OPERATIONS}.{place}"
        problems += _check_type(where, operation)
        problems += check_form(where, operation)
        problems += check_statements(where, operation, has_table=table)
        problems += check_parameters(where, operation, marks=snowflake)
        problems += check_sources(where, operation, has_table=table)
        if snowflake:
            problems += check_for_snowflake(where, operation, mapping(target))
    return problems


def _has_table(target: Any) -> bool | None:
    """Tell whether the target names a table; None when the target is too malformed to say."""
    if not isinstance(target, Mapping) or target.get("kind") not in ("postgres", "embedded", "snowflake"):
        return None
    return target.get("table", "" if target["kind"] == "embedded" else None) is not None


def _check_weights(operations: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Problem]:
    """Check that the weights, if all can be read, add up to 100.00."""
    weights = [read_weight(operation.get("weight_pct")) for _, operation in operations]
    known = [weight for weight in weights if weight is not None]
    total = sum(known, Decimal(0))
    if not weights or len(known) < len(weights) or total == HUNDRED:
        return
    exact = total if total != total.quantize(CENT) else total.quantize(CENT)
    change = f"add {HUNDRED - exact} to" if exact < HUNDRED else f"take {exact - HUNDRED} from"
    yield Problem(_OPERATIONS, f"the weights add up to {exact}, not 100.00", f"{change} the weight_pct of an operation")


def _check_labels(operations: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Problem]:
    """Check that results of different operations are not filed under one label."""
    places: dict[str, int] = {}
    for place, operation in operations:
        label = operation.get("name") or operation.get("kind")
        if not isinstance(label, str):
            continue
        first = places.setdefault(str(label), place)
        if first != place:
            yield Problem(
                f"{_OPERATIONS}.{place}.{'name' if operation.get('name') else 'kind'}",
                f"operation {first} is called {str(label)!r} too",
                "give each a name of its own, so that their results can be told apart",
            )


def _check_type(where: str, operation: Mapping[str, Any]) -> Iterator[Problem]:
    """Check ``operation_type`` against what the kind implies."""
    kind, given = operation.get("kind"), operation.get("operation_type")
    if kind == OperationKind.GENERIC_SQL:
        if given is None:
            yield Problem(f"{where}.operation_type", "is missing", "GENERIC_SQL needs it: READ or WRITE")
        return
    implied = next((implied for known, implied in TYPE_OF_KIND.items() if known == kind), None)
    if implied is not None and given in tuple(OperationType) and given != implied:
        yield Problem(f"{where}.operation_type", f"{kind} is a {implied}, not a {given}", "leave operation_type out")
